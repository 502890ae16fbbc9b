// What the trainer needs to know of its data: items that stay whole, how large each is, and batches of them. It knows
// neither files nor interaction graphs.

import { createHash, type Hash } from "node:crypto";
import type { TrainingBatch } from "./training-batch.ts";

/** One item: what must run together, such as a whole graph. */
export interface ItemSize {
  /** What an error calls it. */
  readonly name: string;
  /** Sequences. */
  readonly rows: number;
  /** Tokens of the longest of them. */
  readonly columns: number;
  /** Items of one group share their losses' means; groups never run in one batch, and their losses are added. */
  readonly group: string;
}

export interface TrainingData {
  readonly items: readonly ItemSize[];
  /** The batch of some items. The same seed gives the same batch. */
  batch(items: readonly number[], seed: number): TrainingBatch;
}

export interface BatchLimits {
  readonly maxRows: number;
  /** Rows times the longest row, padding counted. */
  readonly maxTokens: number;
}

export interface PlannedBatch {
  readonly group: string;
  /** Indices into the data's items. */
  readonly items: readonly number[];
}

/** Some items as batches of one group each, longest first, so that little is padding. An item that alone is beyond the
 * limits is a batch of its own. */
export function planBatches(
  data: TrainingData,
  items: readonly number[],
  { maxRows, maxTokens }: BatchLimits,
): PlannedBatch[] {
  const sized = items.map((index) => ({ index, ...data.items[index]! })); // items come from the same data
  sized.sort(
    (a, b) =>
      (a.group === b.group ? 0 : a.group < b.group ? -1 : 1) || b.columns - a.columns || a.index - b.index,
  );
  const batches: { group: string; items: number[]; rows: number; columns: number }[] = [];
  for (const { index, rows, columns, group } of sized) {
    const last = batches.at(-1);
    const total = (last?.rows ?? 0) + rows;
    // The first of a batch is its longest.
    if (last?.group === group && total <= maxRows && total * last.columns <= maxTokens) {
      last.items.push(index);
      last.rows = total;
    } else batches.push({ group, items: [index], rows, columns });
  }
  return batches;
}

/** A hash of all that a run can see of its data, in hexadecimal: validation decides which state is the best, and when a
 * run stops. */
export function hashOf(training: TrainingData, validation: TrainingData | null): string {
  const hash = createHash("sha256");
  addTo(hash, training);
  if (validation !== null) addTo(hash.update("validation"), validation);
  return hash.digest("hex");
}

function addTo(hash: Hash, data: TrainingData): void {
  for (const [index, { name, group }] of data.items.entries()) {
    const { rows, columns, tokenIds, labelPositions, labelIds, nodeLabels, adjacency, pairs } = data.batch(
      [index],
      0,
    );
    hash.update(JSON.stringify([name, group, rows, columns, labelIds.length, pairs.length]));
    for (const array of [tokenIds, labelPositions, labelIds, nodeLabels, adjacency, pairs])
      hash.update(array);
  }
}
