// How many calls of one agent run at once and begin in a minute, and the pauses that it asks for.

import { type Clock, delay } from "../base/clock.ts";
import type { AgentLimits } from "./agent.ts";

export class CallLimiter {
  readonly #limits: Pick<AgentLimits, "concurrency" | "requestsPerMinute">;
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #nextStartMs = Number.NEGATIVE_INFINITY;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(limits: Pick<AgentLimits, "concurrency" | "requestsPerMinute">, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * Waits for a place, in the order of the calls, and gives the function that frees it.
   * @throws the signal's reason
   */
  async acquire(signal: AbortSignal): Promise<() => void> {
    await this.#place(signal);
    try {
      for (let startMs = this.#reserveStart(); ; ) {
        const waitMs = Math.max(startMs, this.#pausedUntilMs) - this.#clock.nowMs();
        if (waitMs <= 0) break;
        await delay(this.#clock, waitMs, signal);
      }
      signal.throwIfAborted();
    } catch (error) {
      this.#free();
      throw error;
    }
    return () => this.#free();
  }

  /** No call begins for `ms` from now. */
  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#clock.nowMs() + ms);
  }

  /** How long no call begins from now on; 0 without a pause. */
  get pausedMs(): number {
    return Math.max(0, this.#pausedUntilMs - this.#clock.nowMs());
  }

  async #place(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < this.#limits.concurrency) {
      this.#running += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const turn = () => {
        signal.removeEventListener("abort", leave);
        resolve(); // with the place of the call that has ended
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(signal.reason);
      };
      this.#waiting.push(turn);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #free(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }

  /** Calls begin evenly over a minute. */
  #reserveStart(): number {
    const { requestsPerMinute } = this.#limits;
    const nowMs = this.#clock.nowMs();
    if (requestsPerMinute === null) return nowMs;
    const startMs = Math.max(nowMs, this.#nextStartMs);
    this.#nextStartMs = startMs + 60_000 / requestsPerMinute;
    return startMs;
  }
}
