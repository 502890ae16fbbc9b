// The running batch: which sequence has which decode row of the KV cache. Rows in use stay contiguous from 0: the last
// one moves into the row that becomes free.

import type { ModelRunner } from "./model-runner.ts";
import type { Sequence } from "./sequence.ts";

export class RunningBatch {
  readonly #runner: ModelRunner;
  readonly #sequences: (Sequence | null)[];
  #count = 0;

  constructor(runner: ModelRunner) {
    this.#runner = runner;
    this.#sequences = new Array(runner.maxRows).fill(null);
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === this.#runner.maxRows;
  }

  /** The sequence of row `row` < count. */
  at(row: number): Sequence {
    return this.#sequences[row]!;
  }

  /** Gives the next row to a sequence and copies the first `promptTokens` tokens of the prompt row to it. */
  fork(sequence: Sequence, promptTokens: number): void {
    const row = this.#count++;
    this.#runner.copyRow(this.#runner.promptRow, row, promptTokens);
    this.#sequences[row] = sequence;
    sequence.row = row;
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
      this.#sequences[this.#count] = null;
      this.#sequences[row] = moved;
      moved.row = row;
    }
  }

  /** Tokens that the rows hold, all together. */
  cachedTokens(): number {
    let tokens = 0;
    for (let row = 0; row < this.#count; row++) tokens += this.at(row).cachedTokens;
    return tokens;
  }

  #freeLast(): void {
    this.#count--;
    this.at(this.#count).row = -1;
    this.#sequences[this.#count] = null;
  }
}
