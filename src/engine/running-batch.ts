// The running batch: which sequence has which decode row of the KV cache. Rows in use stay contiguous from 0: the last
// one moves into the row that becomes free. A sequence gets a row only where there is memory for all that it may come to.

import type { ModelRunner } from "./model-runner.ts";
import { type RowBudget, RowMemory } from "./row-memory.ts";
import type { Sequence } from "./sequence.ts";

export class RunningBatch {
  readonly #runner: ModelRunner;
  readonly #sequences: (Sequence | null)[];
  readonly #memory: RowMemory;
  #count = 0;

  /** `budget`: null where there is memory for all rows. */
  constructor(runner: ModelRunner, budget: RowBudget | null = null) {
    this.#runner = runner;
    this.#memory = new RowMemory(runner.maxRows, budget, (row, from) => runner.releaseRow(row, from));
    this.#sequences = new Array(runner.maxRows).fill(null);
  }

  get count(): number {
    return this.#count;
  }

  /** Whether there are a row and memory for another sequence. */
  hasRoomFor(sequence: Sequence): boolean {
    return this.#count < this.#runner.maxRows && this.#memory.hasRoom(sequence.mostTokens);
  }

  /** The sequence of row `row` < count. */
  at(row: number): Sequence {
    return this.#sequences[row]!;
  }

  /** Gives the next row to a sequence and copies the first `promptTokens` tokens of the prompt row to it. */
  fork(sequence: Sequence, promptTokens: number): void {
    const row = this.#count++;
    this.#memory.take(row, sequence.mostTokens);
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
      this.#runner.moveRow(this.#count - 1, row, moved.cachedTokens);
      this.#memory.move(this.#count - 1, row);
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
    this.#memory.free(this.#count);
    this.at(this.#count).row = -1;
    this.#sequences[this.#count] = null;
  }
}
