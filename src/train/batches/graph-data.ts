// Training data over tokenised graphs: each unit is an item, and any items make a batch.

import { contrastivePairs } from "../../mag/contrastive-pairs.ts";
import { seededRandom } from "./seeded-random.ts";
import { chainsTogether } from "./sequence-layout.ts";
import { type BatchOptions, type TrainingBatch, trainingBatch } from "./training-batch.ts";
import type { TrainingData } from "./training-data.ts";
import type { TrainingUnit } from "./training-unit.ts";

export interface GraphDataOptions extends Omit<BatchOptions, "pairs"> {
  /** Contrastive pairs: drawn at random by each batch's seed, or in order as in the released code. Default drawn. */
  readonly pairs?: "drawn" | "in-order";
  /** Whether a token's pooling weight is its position in its row, or that in the batch padded on the left; the latter needs
   * a sequence for each node. Default tokens. */
  readonly pooling?: "tokens" | "padded";
}

/** Units in named groups: losses are means over a group and summed over groups (Distilling Step-by-Step has two groups,
 * other recipes one). */
export type UnitGroups = Readonly<Record<string, readonly TrainingUnit[]>>;

export function graphData(
  groups: UnitGroups,
  { pairs = "drawn", pooling = "tokens", ...options }: GraphDataOptions,
): TrainingData {
  const units = Object.entries(groups).flatMap(([group, members]) =>
    members.map((unit) => ({ group, unit })),
  );
  return {
    items: units.map(({ group, unit }) => {
      const lengths =
        options.sharedPrompts === true
          ? chainsTogether(unit).map(({ length }) => length)
          : unit.rows.map(({ tokenIds }) => tokenIds.length);
      return { name: unit.id, rows: lengths.length, columns: Math.max(...lengths), group };
    }),
    batch(items, seed) {
      const random = pairs === "drawn" ? seededRandom(seed) : undefined;
      const batch = trainingBatch(
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
      return pooling === "tokens" ? batch : { ...batch, poolingWeights: paddedWeights(batch) };
    },
  };
}

const NO_LABELS = { labelPositions: new BigInt64Array(0), labelIds: new BigInt64Array(0), labelTokens: 0 };
const NO_PAIRS = { pairs: new BigInt64Array(0) };
const noNodes = ({ nodeLabels }: TrainingBatch) => ({ nodeLabels: nodeLabels.map(() => -1n) });

/** What to replace in a batch so that one loss alone learns from it. */
const ONLY = {
  nll: (batch: TrainingBatch) => ({ ...NO_PAIRS, ...noNodes(batch) }),
  margin: (batch: TrainingBatch) => ({ ...NO_LABELS, ...noNodes(batch) }),
  node: () => ({ ...NO_LABELS, ...NO_PAIRS }),
} as const;

/** Data with a part for each loss, from which that loss alone learns. */
export function dataByLoss(
  parts: readonly (readonly [loss: keyof typeof ONLY, data: TrainingData])[],
): TrainingData {
  const items = parts.flatMap(([loss, data]) =>
    data.items.map((item, index) => ({
      loss,
      data,
      index,
      item: { ...item, group: `${item.group} ${loss}` },
    })),
  );
  return {
    items: items.map(({ item }) => item),
    batch(wanted, seed) {
      const { loss, data } = items[wanted[0]!]!; // a batch has items, all of one group
      const batch = data.batch(
        wanted.map((at) => items[at]!.index),
        seed,
      );
      return { ...batch, ...ONLY[loss](batch) };
    },
  };
}

/** Pooling weights [rows · columns] as in the released code, which pads on the left: (padding + t) / Σ for tokens
 * t = 1, 2, …, so that a row's vector depends on the longest row of its batch. */
function paddedWeights({ rows, columns, lengths }: TrainingBatch): Float32Array {
  const weights = new Float32Array(rows * columns);
  for (const [row, length] of lengths.entries()) {
    const padding = columns - length;
    const sum = length * padding + (length * (length + 1)) / 2;
    for (let t = 0; t < length; t++) weights[row * columns + t] = (padding + t + 1) / sum;
  }
  return weights;
}
