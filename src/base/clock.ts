// The time that the engine lives by, so that tests can give it another. It knows no requests.

export interface Clock {
  /** Milliseconds that never run backwards; only differences mean anything. */
  nowMs(): number;
  /** Calls back once, `delayMs` from now; the returned function takes it back. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

/** setTimeout's longest delay, 24 days: it fires longer ones at once, this clock never. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer(delayMs, callback) {
    if (delayMs > MAX_DELAY_MS) return () => {};
    const timeout = setTimeout(callback, delayMs);
    return () => clearTimeout(timeout);
  },
};
