// Whose turn it is: which waiting request gets the prompt row next, when the one in it makes way, and which samples may have
// decode rows. It moves nothing itself.

import type { ActiveRequest } from "./active-request.ts";
import type { FairShares } from "./fair-shares.ts";
import type { PromptRow } from "./prompt-row.ts";
import type { RunningBatch } from "./running-batch.ts";
import type { WaitingQueue } from "./waiting-queue.ts";

export class Turns {
  readonly #queue: WaitingQueue;
  readonly #batch: RunningBatch;
  readonly #shares: FairShares;

  constructor(queue: WaitingQueue, batch: RunningBatch, shares: FairShares) {
    this.#queue = queue;
    this.#batch = batch;
    this.#shares = shares;
  }

  /** Must be called when sequences have left the batch. */
  countRows(): void {
    this.#shares.countRows(this.#holders());
  }

  /** The waiting request that gets the prompt row next, of the caller that was served least. */
  first(): ActiveRequest | null {
    let first: ActiveRequest | null = null;
    for (const head of this.#queue.heads()) {
      // A prompt that is computed again only gives rows to its samples.
      if (head.hasFirstTokens && !this.canTakeRow(head.caller.name)) continue;
      if (first === null || this.#shares.isBefore(head.caller.name, first.caller.name)) first = head;
    }
    return first;
  }

  /**
   * The waiting request that the one in the prompt row makes way for: of a caller that was served less and is below its
   * share of rows. A prompt under way makes way only for a shorter one, and not once it has cost as much as the whole, so
   * that it is never computed more than twice.
   */
  rivalOf({ request: prompt, left }: PromptRow): ActiveRequest | null {
    const rival = this.first();
    if (prompt === null || rival === null) return null;
    if (!this.#shares.isBefore(rival.caller.name, prompt.caller.name)) return null;
    if (this.#shares.rowsOwed(rival.caller.name) <= 0) return null;
    if (left === 0) return rival;
    const spent = prompt.prefillWork >= prompt.promptTokens.length;
    return spent || rival.promptTokens.length >= left ? null : rival;
  }

  /** Whether one more sample of a caller may have a row: a free one that nobody else is owed, or another's. */
  canTakeRow(name: string): boolean {
    if (!this.#shares.contested) return !this.#batch.full;
    if (this.#shares.rowsOwed(name) > 0) return !this.#batch.full || this.victimRow() >= 0;
    return this.#batch.free > this.#owedToOthers(name);
  }

  /** The row of the caller furthest above its share, of the sample with the least to compute again; -1 if there is none. */
  victimRow(): number {
    let victim = -1;
    let least = -1;
    let fewest = Number.POSITIVE_INFINITY;
    for (let row = 0; row < this.#batch.count; row++) {
      const owed = this.#shares.rowsOwed(this.#batch.requestAt(row).caller.name);
      const { cachedIds } = this.#batch.at(row);
      if (owed > least || (owed === least && cachedIds > fewest)) continue;
      victim = row;
      least = owed;
      fewest = cachedIds;
    }
    return victim;
  }

  /** The row that makes way when another cannot grow: of the caller furthest above its share, the last sample of the request
   * that began last in `running`. The first of all goes on until it ends. */
  growthVictimRow(running: readonly ActiveRequest[]): number {
    let victim = 0;
    for (let row = 1; row < this.#batch.count; row++)
      if (this.#yieldsBefore(row, victim, running)) victim = row;
    return victim;
  }

  #yieldsBefore(row: number, other: number, running: readonly ActiveRequest[]): boolean {
    const [a, b] = [this.#batch.requestAt(row), this.#batch.requestAt(other)];
    const owed = this.#shares.rowsOwed(a.caller.name) - this.#shares.rowsOwed(b.caller.name);
    if (owed !== 0) return owed < 0;
    if (a !== b) return running.indexOf(a) > running.indexOf(b);
    return this.#batch.at(row).index > this.#batch.at(other).index;
  }

  /** Rows that waiting callers other than `name` lack of their share. */
  #owedToOthers(name: string): number {
    let owed = 0;
    for (const [other, samples] of this.#queue.samplesByCaller()) {
      if (other !== name) owed += Math.max(0, Math.min(samples, this.#shares.rowsOwed(other)));
    }
    return owed;
  }

  *#holders(): Iterable<string> {
    for (let row = 0; row < this.#batch.count; row++) yield this.#batch.requestAt(row).caller.name;
  }
}
