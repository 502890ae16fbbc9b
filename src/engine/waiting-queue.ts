// The requests whose prefill has not begun, first come first served, bounded in samples.

import { MagdiError } from "../base/errors.ts";
import type { ActiveRequest } from "./active-request.ts";

export class WaitingQueue {
  readonly #maxSamples: number;
  readonly #requests: ActiveRequest[] = [];

  constructor(maxSamples: number) {
    this.#maxSamples = maxSamples;
  }

  get requests(): readonly ActiveRequest[] {
    return this.#requests;
  }

  get samples(): number {
    return this.#requests.reduce((samples, request) => samples + request.liveSamples, 0);
  }

  /** Throws MAGDI_QUEUE_FULL when `samples` more do not fit. */
  assertRoom(samples: number): void {
    const waiting = this.samples;
    if (waiting + samples <= this.#maxSamples) return;
    throw new MagdiError(
      "MAGDI_QUEUE_FULL",
      `the waiting queue holds ${waiting} of at most ${this.#maxSamples} samples: ${samples} more do not fit; try again later`,
      { details: { samples_waiting: waiting, max_waiting_samples: this.#maxSamples } },
    );
  }

  push(request: ActiveRequest): void {
    this.#requests.push(request);
  }

  shift(): ActiveRequest | null {
    return this.#requests.shift() ?? null;
  }

  remove(request: ActiveRequest): void {
    const position = this.#requests.indexOf(request);
    if (position >= 0) this.#requests.splice(position, 1);
  }
}
