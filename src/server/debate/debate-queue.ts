// The places for debates: so many at once, so many waiting. It knows nothing of what is debated.

import type { Clock } from "../../base/clock.ts";
import { MagdiError } from "../../base/errors.ts";

export interface DebateQueueOptions {
  readonly clock: Clock;
  readonly atOnce: number;
  /** How many may wait. */
  readonly waiting: number;
  readonly timeoutMs: number;
}

interface Waiting {
  readonly account: string;
  begin(): void;
}

export class DebateQueue {
  readonly #options: DebateQueueOptions;
  readonly #running = new Map<string, number>();
  readonly #waiting: Waiting[] = [];
  #places = 0;

  constructor(options: DebateQueueOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#places;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws MagdiError MAGDI_QUEUE_FULL */
  assertRoom(): void {
    const { atOnce, waiting } = this.#options;
    if (this.#places < atOnce || this.#waiting.length < waiting) return;
    throw new MagdiError(
      "MAGDI_QUEUE_FULL",
      `${atOnce} debates are running and ${waiting} are waiting, which is the limit; retry later`,
    );
  }

  /**
   * Waits for a place, and gives the function that frees it. Of those who wait, the first of the account with the fewest
   * running debates is next.
   * @throws MagdiError MAGDI_QUEUE_FULL at once, MAGDI_QUEUE_TIMEOUT; the signal's reason
   */
  async acquire(account: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    this.assertRoom();
    if (this.#places < this.#options.atOnce) this.#places += 1;
    else await this.#turn(account, signal);
    this.#running.set(account, this.#runningOf(account) + 1);
    let held = true;
    return () => {
      if (held) this.#free(account);
      held = false;
    };
  }

  #turn(account: string, signal: AbortSignal): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const stopWaiting = () => {
        cancel();
        signal.removeEventListener("abort", leave);
      };
      const fail = (reason: unknown) => {
        stopWaiting();
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(reason);
      };
      const leave = () => fail(signal.reason);
      const waiting: Waiting = {
        account,
        begin() {
          stopWaiting();
          resolve(); // with the place of the debate that has ended
        },
      };
      const cancel = clock.setTimer(timeoutMs, () =>
        fail(
          new MagdiError(
            "MAGDI_QUEUE_TIMEOUT",
            `the debate waited ${timeoutMs} ms for others to end; retry later`,
          ),
        ),
      );
      this.#waiting.push(waiting);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #free(account: string): void {
    const left = this.#runningOf(account) - 1;
    if (left === 0) this.#running.delete(account);
    else this.#running.set(account, left);
    const fewest = Math.min(...this.#waiting.map((one) => this.#runningOf(one.account)));
    const index = this.#waiting.findIndex((one) => this.#runningOf(one.account) === fewest);
    const [next] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (next === undefined) this.#places -= 1;
    else next.begin();
  }

  #runningOf(account: string): number {
    return this.#running.get(account) ?? 0;
  }
}
