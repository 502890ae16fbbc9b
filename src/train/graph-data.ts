// Tokenised graphs as the trainer takes them: items with sizes, and a batch of any of them. It does not plan steps.

import { contrastivePairs } from "./mag/pairs.ts";
import { type BatchOptions, type TrainingUnit, trainingBatch } from "./mag/training-batch.ts";
import { seededRandom } from "./seeded-random.ts";
import type { TrainingData } from "./training-data.ts";

export interface GraphDataOptions extends Omit<BatchOptions, "pairs"> {
  /** Drawn anew by each batch's seed, or in order as in the released code. Default drawn. */
  readonly pairs?: "drawn" | "in-order";
}

/** Units in named groups: those of one group share their losses' means (Distilling Step-by-Step has two, other recipes
 * one). */
export function graphData(
  groups: Readonly<Record<string, readonly TrainingUnit[]>>,
  { pairs = "drawn", ...options }: GraphDataOptions,
): TrainingData {
  const units = Object.entries(groups).flatMap(([group, members]) =>
    members.map((unit) => ({ group, unit })),
  );
  return {
    items: units.map(({ group, unit }) => ({
      name: unit.id,
      rows: unit.rows.length,
      columns: Math.max(...unit.rows.map(({ tokenIds }) => tokenIds.length)),
      group,
    })),
    batch(items, seed) {
      const random = pairs === "drawn" ? seededRandom(seed) : undefined;
      return trainingBatch(
        items.map((item) => units[item]!.unit), // items come from the same data
        {
          ...options,
          pairs: ({ rows }) =>
            contrastivePairs(
              rows.map(({ label }) => label),
              random,
            ),
        },
      );
    },
  };
}
