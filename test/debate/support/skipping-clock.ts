// A clock on which waiting takes no time, and time-outs come when a test says so.

import type { Clock } from "../../../src/base/clock.ts";

/** Timers of this delay are time-outs. */
export const TIMEOUT_MS = 40_000;

export class SkippingClock implements Clock {
  /** The delays that were waited for. */
  readonly waits: number[] = [];
  readonly #timeouts = new Set<() => void>();
  #nowMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    if (delayMs === TIMEOUT_MS) {
      this.#timeouts.add(callback);
      return () => {
        this.#timeouts.delete(callback);
      };
    }
    this.waits.push(delayMs);
    const turn = setImmediate(() => {
      this.#nowMs += delayMs;
      callback();
    });
    return () => clearImmediate(turn);
  }

  /** All running time-outs are over. */
  expire(): void {
    this.#nowMs += TIMEOUT_MS;
    for (const callback of [...this.#timeouts]) callback();
  }
}
