// The running batch: which sequence has which decode row of the KV cache. Rows in use stay contiguous from 0: the last
// one moves into the row that becomes free. A sequence gets a row where there is memory for its prompt and the beginning of
// its answer, and more as the answer grows.

import type { ActiveRequest } from "./active-request.ts";
import type { ModelRunner } from "./model-runner.ts";
import { type RowBudget, RowMemory } from "./row-memory.ts";
import { GROWTH_TOKENS, type Sequence } from "./sequence.ts";

interface Holder {
  readonly request: ActiveRequest;
  readonly sequence: Sequence;
}

export class RunningBatch {
  readonly #runner: ModelRunner;
  readonly #holders: (Holder | null)[];
  readonly #memory: RowMemory;
  #count = 0;

  /** `budget`: null where there is memory for all rows. */
  constructor(runner: ModelRunner, budget: RowBudget | null = null) {
    this.#runner = runner;
    this.#memory = new RowMemory(runner.maxRows, budget, (row, from) => runner.releaseRow(row, from));
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

  /** Whether there are a row and memory for another sequence, and for those that run to grow once more. */
  hasRoomFor(sequence: Sequence): boolean {
    if (this.full) return false;
    let growth = 0;
    for (let row = 0; row < this.#count; row++) {
      growth += Math.min(GROWTH_TOKENS, this.at(row).mostTokens - this.#memory.promisedTo(row));
    }
    return this.#memory.hasRoom(sequence.firstTokens, growth);
  }

  /** Takes memory for the next token of row `row`, and some more; false where there is none. Alone any row has it. */
  grow(row: number): boolean {
    const { cachedTokens, mostTokens } = this.at(row);
    if (cachedTokens < this.#memory.promisedTo(row)) return true;
    return this.#memory.grow(row, Math.min(mostTokens, cachedTokens + GROWTH_TOKENS));
  }

  /** Tokens that row `row` has memory for beyond those that it holds. */
  roomOf(row: number): number {
    return this.#memory.promisedTo(row) - this.at(row).cachedTokens;
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
    const row = this.#count++;
    this.#memory.take(row, sequence.firstTokens);
    this.#runner.copyRow(this.#runner.promptRow, row, request.promptTokens.length);
    this.#holders[row] = { request, sequence };
    sequence.row = row;
    sequence.restart();
  }

  /** Takes its row from a sequence; the last row moves into it. */
  evict(row: number): void {
    const last = this.#count - 1;
    if (row === last) {
      this.#freeLast();
      return;
    }
    const moved = this.at(last);
    this.#runner.moveRow(last, row, moved.cachedTokens);
    this.#memory.move(last, row);
    this.at(row).row = -1;
    this.#holders[row] = this.#holders[last]!;
    this.#holders[last] = null;
    this.#count = last;
    moved.row = row;
  }

  /** Removes ended sequences and moves the last rows into the free ones. */
  compact(): void {
    for (let row = 0; row < this.#count; row++) {
      if (!this.at(row).ended) continue;
      while (this.#count > row && this.at(this.#count - 1).ended) this.#freeLast();
      if (this.#count <= row) return;
      this.evict(row);
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
    this.#holders[this.#count] = null;
  }
}
