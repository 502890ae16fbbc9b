// A clock that moves only when a test says so.

import type { Clock } from "../../src/base/clock.ts";

export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Timers that have neither fired nor been taken back. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves time on, and calls the timers that are due, in order. With `late` timers stay silent, as when the event
   * loop is busy. */
  advance(ms: number, { late = false } = {}): void {
    this.#nowMs += ms;
    if (late) return;
    const due = [...this.#timers]
      .filter((timer) => timer.atMs <= this.#nowMs)
      .sort((a, b) => a.atMs - b.atMs);
    for (const timer of due) if (this.#timers.delete(timer)) timer.callback();
  }
}
