// Which sequence each decode row of the cache belongs to. Rows in use stay contiguous from 0: the last one moves
// into a hole. It knows no requests and no steps.

import type { ModelRunner } from "./model-runner.ts";
import type { Sequence } from "./sequence.ts";

export class DecodeRows {
  readonly #runner: Pick<ModelRunner, "maxRows" | "promptRow" | "copyRow">;
  readonly #sequences: (Sequence | null)[];
  #count = 0;

  constructor(runner: Pick<ModelRunner, "maxRows" | "promptRow" | "copyRow">) {
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

  /** Gives the next row to a sequence, with a copy of the prompt row's first `promptTokens` tokens. */
  fork(sequence: Sequence, promptTokens: number): void {
    const row = this.#count++;
    this.#runner.copyRow(this.#runner.promptRow, row, promptTokens);
    this.#sequences[row] = sequence;
    sequence.row = row;
  }

  /** Takes ended sequences out, and moves the last rows into the holes. */
  compact(): void {
    for (let row = 0; row < this.#count; row++) {
      if (!this.at(row).ended) continue;
      while (this.#count > row && this.at(this.#count - 1).ended) this.#vacateLast();
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

  /** Tokens that the rows hold. */
  cachedTokens(): number {
    let tokens = 0;
    for (let row = 0; row < this.#count; row++) tokens += this.at(row).cachedTokens;
    return tokens;
  }

  #vacateLast(): void {
    this.#count--;
    this.at(this.#count).row = -1;
    this.#sequences[this.#count] = null;
  }
}
