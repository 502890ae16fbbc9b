// The requests that wait for the prompt row: a line for each caller, first come first served. They are bounded in samples,
// and whoever has most of them waiting makes room for a caller with fewer.

import { MagdiError } from "../base/errors.ts";
import type { ActiveRequest } from "./active-request.ts";
import type { EngineCaller } from "./fair-shares.ts";

export class WaitingQueue {
  readonly #maxSamples: number;
  /** By the caller's name. Requests that have begun, and gave a row back, come before those that have not. */
  readonly #lines = new Map<string, ActiveRequest[]>();

  constructor(maxSamples: number) {
    this.#maxSamples = maxSamples;
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** Those that have not begun. */
  get requests(): readonly ActiveRequest[] {
    return [...this.#lines.values()].flat().filter((request) => request.waiting);
  }

  /** Of the requests that have not begun. */
  get samples(): number {
    return samplesOf(this.requests);
  }

  /** The first of each caller's line. */
  *heads(): Iterable<ActiveRequest> {
    for (const line of [...this.#lines.values()]) {
      // Samples of a request that has begun may have been cancelled, or got rows, while it waited for the prompt row.
      while (line[0] !== undefined && !line[0].waiting && line[0].rowlessSamples === 0) this.remove(line[0]);
      if (line[0] !== undefined) yield line[0];
    }
  }

  /** The requests that have not begun, in order, by the caller's name. They may leave meanwhile. */
  *waitingByCaller(): Iterable<[string, readonly ActiveRequest[]]> {
    for (const [name, line] of [...this.#lines]) yield [name, line.filter(({ waiting }) => waiting)];
  }

  /** Samples that wait for a row, by the caller's name. */
  *samplesByCaller(): Iterable<[string, number]> {
    for (const [name, line] of this.#lines) {
      yield [name, line.reduce((samples, request) => samples + request.rowlessSamples, 0)];
    }
  }

  /**
   * The requests that have to leave for `samples` more of the caller's: the last ones of callers with more samples in
   * line, for their weight, than this one would have.
   * @throws MagdiError MAGDI_QUEUE_FULL if that is not enough
   */
  leaversFor(samples: number, caller: EngineCaller): ActiveRequest[] {
    const waiting = this.samples;
    const lines = [...this.#lines].map(([name, line]) => {
      const requests = line.filter((request) => request.waiting);
      return { name, requests, samples: samplesOf(requests), weight: line[0]!.caller.weight };
    });
    const own = lines.find(({ name }) => name === caller.name)?.samples ?? 0;
    const leavers: ActiveRequest[] = [];
    let excess = waiting + samples - this.#maxSamples;
    while (excess > 0) {
      let longest = { requests: [] as ActiveRequest[], samples: own + samples, weight: caller.weight };
      for (const line of lines)
        if (line.samples / line.weight > longest.samples / longest.weight) longest = line;
      const last = longest.requests.pop();
      if (last === undefined) throw this.#full(waiting, samples);
      longest.samples -= last.liveSamples;
      excess -= last.liveSamples;
      leavers.push(last);
    }
    return leavers;
  }

  push(request: ActiveRequest): void {
    this.#line(request).push(request);
  }

  /** A request that has begun waits again. */
  putBack(request: ActiveRequest): void {
    const line = this.#line(request);
    if (line.includes(request)) return;
    const position = line.findIndex(({ waiting }) => waiting);
    line.splice(position < 0 ? line.length : position, 0, request);
  }

  remove(request: ActiveRequest): void {
    const { name } = request.caller;
    const line = this.#lines.get(name);
    const position = line?.indexOf(request) ?? -1;
    if (line === undefined || position < 0) return;
    line.splice(position, 1);
    if (line.length === 0) this.#lines.delete(name);
  }

  /** The line of the request's caller, which may be new and empty. */
  #line({ caller: { name } }: ActiveRequest): ActiveRequest[] {
    const line = this.#lines.get(name) ?? [];
    this.#lines.set(name, line);
    return line;
  }

  #full(waiting: number, samples: number): MagdiError {
    return new MagdiError(
      "MAGDI_QUEUE_FULL",
      `the waiting queue holds ${waiting} of at most ${this.#maxSamples} samples: ${samples} more do not fit; try again later`,
      { details: { samples_waiting: waiting, max_waiting_samples: this.#maxSamples } },
    );
  }
}

/** The error of a request that left the line for another caller's. */
export function madeRoom(request: ActiveRequest): MagdiError {
  return new MagdiError(
    "MAGDI_QUEUE_FULL",
    `the waiting queue is full, and request ${request.id} left it for a caller who has fewer samples waiting; try again later`,
  );
}

function samplesOf(requests: readonly ActiveRequest[]): number {
  return requests.reduce((samples, request) => samples + request.liveSamples, 0);
}
