// The arrays of one training step: padded token ids, where labels are, pooling weights, pairs and Â over several graphs
// at once. It knows token ids only: no text, no model.

import { contrastivePairs, type Pair } from "../../mag/contrastive-pairs.ts";
import type { Edge } from "../../mag/mag-schema.ts";
import { type Adjacency, normalisedAdjacency } from "./adjacency.ts";
import { ownSequences, type SharedPlaces, sharedSequences } from "./sequence-layout.ts";

/** Every array is row-major; rows are sequences, padded on the right: one for each node, unless prompts are shared. */
export interface TrainingBatch {
  /** [rows · columns] */
  readonly tokenIds: BigInt64Array;
  readonly rows: number;
  readonly columns: number;
  /** [rows]: tokens that are no padding */
  readonly lengths: Int32Array;
  /** Where several nodes have a prompt in common. */
  readonly shared?: SharedPlaces;
  /** [labels]: row · columns + t of the position whose next token is the label */
  readonly labelPositions: BigInt64Array;
  /** [labels] */
  readonly labelIds: BigInt64Array;
  /** [rows · columns], or where prompts are shared [nodes · rows · columns]: t / Σt with t = 1, 2, … over a node's
   * tokens, 0 elsewhere */
  readonly poolingWeights: Float32Array;
  /** [pairs · 2]: the nodes of a right and a wrong chain of one question */
  readonly pairs: BigInt64Array;
  /** [nodes · nodes]: Â, a block for each graph */
  readonly adjacency: Float32Array;
  /** [nodes] */
  readonly nodeLabels: BigInt64Array;
  /** How many labels there are: the mean of an optimiser step divides by the sum over its batches. */
  readonly labelTokens: number;
}

/** 0 wrong, 1 right, 2 an answer that is not there: see missing-nodes.ts. */
export type RowLabel = 0 | 1 | 2;

/** One sequence: the prompt's tokens, then the completion's, its end token last. */
export interface TrainingRow {
  readonly tokenIds: Int32Array;
  readonly promptLength: number;
  readonly label: RowLabel;
}

/** What must be in one batch: a graph's rows, or a single one when nothing relates it to others. */
export interface TrainingUnit {
  readonly id: string;
  readonly rows: readonly TrainingRow[];
  readonly edges: readonly Edge[];
}

export interface BatchOptions {
  readonly adjacency: Adjacency;
  /** Labels on the prompt too, as in the released code. Default false. */
  readonly lossOnPrompt?: boolean;
  /** What padding is filled with; it is no label and in no pooled vector whatever it is. Default 0. */
  readonly padTokenId?: number;
  /** Computes the prompt of a unit's rows once: they must begin with the same one. Default false. */
  readonly sharedPrompts?: boolean;
  /** The pairs of a unit, as indices of its rows. Default: contrastivePairs in order. */
  readonly pairs?: (unit: TrainingUnit) => readonly Pair[];
}

/**
 * One batch of `units`. Labels are the completions of right rows: the end token is one of them, padding never.
 * @throws RangeError when there is no unit, or a row without tokens or with a prompt of none
 */
export function trainingBatch(units: readonly TrainingUnit[], options: BatchOptions): TrainingBatch {
  const all = units.flatMap((unit) => unit.rows);
  if (all.length === 0) throw new RangeError("expected at least one row in a batch");
  for (const [row, { tokenIds, promptLength }] of all.entries()) {
    if (promptLength >= 1 && promptLength <= tokenIds.length) continue;
    throw new RangeError(
      `row ${row}: expected a prompt of 1 to ${tokenIds.length} tokens, found ${promptLength}`,
    );
  }
  const { sharedPrompts = false, padTokenId = 0, lossOnPrompt = false } = options;
  const layout = sharedPrompts ? sharedSequences(units, padTokenId) : ownSequences(all, padTokenId);
  const { placeOf, shared, ...sequences } = layout;
  const tokens = layout.rows * layout.columns;
  const poolingWeights = new Float32Array(shared === null ? tokens : all.length * tokens);
  const positions: bigint[] = [];
  const ids: bigint[] = [];
  for (const [node, { tokenIds, promptLength, label }] of all.entries()) {
    const weightSum = (tokenIds.length * (tokenIds.length + 1)) / 2;
    const first = shared === null ? 0 : node * tokens;
    for (let t = 0; t < tokenIds.length; t++) poolingWeights[first + placeOf(node, t)] = (t + 1) / weightSum;
    if (label !== 1) continue;
    for (let t = lossOnPrompt ? 1 : promptLength; t < tokenIds.length; t++) {
      positions.push(BigInt(placeOf(node, t - 1)));
      ids.push(BigInt(tokenIds[t]!));
    }
  }
  return {
    ...sequences,
    ...(shared === null ? {} : { shared }),
    labelPositions: BigInt64Array.from(positions),
    labelIds: BigInt64Array.from(ids),
    poolingWeights,
    pairs: pairsOf(units, options.pairs ?? inOrder),
    adjacency: blockDiagonal(units, all.length, options.adjacency),
    nodeLabels: BigInt64Array.from(all, ({ label }) => BigInt(label)),
    labelTokens: ids.length,
  };
}

function inOrder(unit: TrainingUnit): readonly Pair[] {
  return contrastivePairs(unit.rows.map(({ label }) => label));
}

function pairsOf(units: readonly TrainingUnit[], pairs: NonNullable<BatchOptions["pairs"]>): BigInt64Array {
  let offset = 0;
  const found = units.flatMap((unit) => {
    const start = offset;
    offset += unit.rows.length;
    return pairs(unit)
      .flat()
      .map((row) => BigInt(start + row));
  });
  return BigInt64Array.from(found);
}

function blockDiagonal(units: readonly TrainingUnit[], rows: number, kind: Adjacency): Float32Array {
  const whole = new Float32Array(rows * rows);
  let offset = 0;
  for (const unit of units) {
    const n = unit.rows.length;
    const block = normalisedAdjacency(n, unit.edges, kind);
    for (let row = 0; row < n; row++) {
      whole.set(block.subarray(row * n, row * n + n), (offset + row) * rows + offset);
    }
    offset += n;
  }
  return whole;
}
