// Tokenised MAGs as the trainer takes them: items with sizes, and a batch of any of them. It does not plan steps.

import { seededRandom } from "../seeded-random.ts";
import type { TrainingData } from "../training-data.ts";
import { type BatchOptions, type TrainingUnit, trainingBatch } from "./mag-batch.ts";
import { contrastivePairs } from "./pairs.ts";

/**
 * Units in named groups: those of one group share their losses' means (Distilling Step-by-Step has two, other recipes
 * one). Pairs are drawn anew by each batch's seed; `pairs` "in-order" always gives the released code's.
 */
export function magData(
  groups: Readonly<Record<string, readonly TrainingUnit[]>>,
  options: Omit<BatchOptions, "pairs"> & { readonly pairs?: "drawn" | "in-order" },
): TrainingData {
  const units = Object.entries(groups).flatMap(([group, members]) =>
    members.map((unit) => ({ group, unit })),
  );
  const { pairs = "drawn", ...rest } = options;
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
          ...rest,
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
