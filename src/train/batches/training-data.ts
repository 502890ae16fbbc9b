// Data as the trainer sees it: items of known size that are never split, and batches of them. It knows neither files nor
// interaction graphs.

import { createHash, type Hash } from "node:crypto";
import type { TrainingBatch } from "./training-batch.ts";

/** One item: rows that must be in the same batch, such as those of a graph. */
export interface ItemSize {
  /** For error messages. */
  readonly name: string;
  /** Sequences. */
  readonly rows: number;
  /** Tokens of the longest of them. */
  readonly columns: number;
  /** Losses are means over a group and summed over groups; a batch has items of one group only. */
  readonly group: string;
}

export interface TrainingData {
  readonly items: readonly ItemSize[];
  /** A batch of items, by their indices. The same seed gives the same batch. */
  batch(items: readonly number[], seed: number): TrainingBatch;
}

export interface BatchLimits {
  readonly maxRows: number;
  /** Rows times the longest row: padding counts. */
  readonly maxTokens: number;
}

export interface PlannedBatch {
  readonly group: string;
  /** Indices into the data's items. */
  readonly items: readonly number[];
}

/** Splits items into batches of one group each, longest first so that there is little padding. An item beyond the limits is
 * a batch of its own. */
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
    // The first item of a batch is its longest.
    if (last?.group === group && total <= maxRows && total * last.columns <= maxTokens) {
      last.items.push(index);
      last.rows = total;
    } else batches.push({ group, items: [index], rows, columns });
  }
  return batches;
}

/** A hash of the data that a run's results depend on, in hexadecimal; validation data is part of it, since it selects the
 * best state and stops the run early. */
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
