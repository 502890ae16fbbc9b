// The running batch: which sequence has which decode row of the KV cache. Rows in use stay contiguous from 0: the last
// one moves into the row that becomes free.

import type { ActiveRequest } from "./active-request.ts";
import type { ModelRunner } from "./model-runner.ts";
import type { Sequence } from "./sequence.ts";

interface Holder {
  readonly request: ActiveRequest;
  readonly sequence: Sequence;
}

export class RunningBatch {
  readonly #runner: ModelRunner;
  readonly #holders: (Holder | null)[];
  #count = 0;

  constructor(runner: ModelRunner) {
    this.#runner = runner;
    this.#holders = new Array(runner.maxRows).fill(null);
  }

  get count(): number {
    return this.#count;
  }

  get free(): number {
    return this.#runner.maxRows - this.#count;
  }

  get full(): boolean {
    return this.free === 0;
  }

  /** The sequence of row `row` < count. */
  at(row: number): Sequence {
    return this.#holders[row]!.sequence;
  }

  /** The request of row `row` < count. */
  requestAt(row: number): ActiveRequest {
    return this.#holders[row]!.request;
  }

  /** Gives the next row to a sequence of the request in the prompt row, whose prompt is copied. */
  fork(request: ActiveRequest, sequence: Sequence): void {
    this.#fork(request, sequence, this.#count++);
  }

  /** The same with a row that another sequence has: it is left without one, to be computed anew. */
  takeOver(request: ActiveRequest, sequence: Sequence, row: number): void {
    this.at(row).row = -1;
    this.#fork(request, sequence, row);
  }

  /** Removes ended sequences and moves the last rows into the free ones. */
  compact(): void {
    for (let row = 0; row < this.#count; row++) {
      if (!this.at(row).ended) continue;
      while (this.#count > row && this.at(this.#count - 1).ended) this.#freeLast();
      if (this.#count <= row) return;
      const moved = this.at(this.#count - 1);
      this.#runner.copyRow(this.#count - 1, row, moved.cachedTokens);
      this.at(row).row = -1;
      this.#count--;
      this.#holders[row] = this.#holders[this.#count]!;
      this.#holders[this.#count] = null;
      moved.row = row;
    }
  }

  /** Tokens that the rows hold, all together. */
  cachedTokens(): number {
    let tokens = 0;
    for (let row = 0; row < this.#count; row++) tokens += this.at(row).cachedTokens;
    return tokens;
  }

  #fork(request: ActiveRequest, sequence: Sequence, row: number): void {
    this.#runner.copyRow(this.#runner.promptRow, row, request.promptTokens.length);
    this.#holders[row] = { request, sequence };
    sequence.row = row;
    sequence.restart();
  }

  #freeLast(): void {
    this.#count--;
    this.at(this.#count).row = -1;
    this.#holders[this.#count] = null;
  }
}
