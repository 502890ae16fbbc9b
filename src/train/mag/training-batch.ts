// The arrays of one training step: padded token ids, where labels are, pooling weights, pairs and Â over several graphs
// at once. It knows token ids only: no text, no model.

import { type Adjacency, normalisedAdjacency } from "./adjacency.ts";
import type { Edge } from "./mag-schema.ts";
import { contrastivePairs, type Pair } from "./pairs.ts";

/** Every array is row-major; rows are sequences, padded on the right. */
export interface TrainingBatch {
  /** [rows · columns] */
  readonly tokenIds: BigInt64Array;
  readonly rows: number;
  readonly columns: number;
  /** [rows]: tokens that are no padding */
  readonly lengths: Int32Array;
  /** [labels]: row · columns + t of the position whose next token is the label */
  readonly labelPositions: BigInt64Array;
  /** [labels] */
  readonly labelIds: BigInt64Array;
  /** [rows · columns]: t / Σt with t = 1, 2, … over a row's tokens, 0 on padding */
  readonly poolingWeights: Float32Array;
  /** [pairs · 2]: the rows of a right and a wrong chain of one question */
  readonly pairs: BigInt64Array;
  /** [rows · rows]: Â, a block for each graph */
  readonly adjacency: Float32Array;
  /** [rows]: 1 right, 0 wrong */
  readonly nodeLabels: BigInt64Array;
  /** How many labels there are: the mean of an optimiser step divides by the sum over its batches. */
  readonly labelTokens: number;
}

/** One sequence: the prompt's tokens, then the completion's, its end token last. */
export interface TrainingRow {
  readonly tokenIds: Int32Array;
  readonly promptLength: number;
  readonly label: 0 | 1;
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
  const rows = all.length;
  const columns = Math.max(...all.map(({ tokenIds }) => tokenIds.length));
  const tokenIds = new BigInt64Array(rows * columns).fill(BigInt(options.padTokenId ?? 0));
  const poolingWeights = new Float32Array(rows * columns);
  const positions: bigint[] = [];
  const ids: bigint[] = [];
  for (const [row, { tokenIds: tokens, promptLength, label }] of all.entries()) {
    if (promptLength < 1 || promptLength > tokens.length) {
      throw new RangeError(
        `row ${row}: expected a prompt of 1 to ${tokens.length} tokens, found ${promptLength}`,
      );
    }
    const start = row * columns;
    const weightSum = (tokens.length * (tokens.length + 1)) / 2;
    for (const [t, id] of tokens.entries()) {
      tokenIds[start + t] = BigInt(id);
      poolingWeights[start + t] = (t + 1) / weightSum;
    }
    if (label !== 1) continue;
    for (let t = options.lossOnPrompt === true ? 1 : promptLength; t < tokens.length; t++) {
      positions.push(BigInt(start + t - 1));
      ids.push(BigInt(tokens[t]!));
    }
  }
  return {
    tokenIds,
    rows,
    columns,
    lengths: Int32Array.from(all, (row) => row.tokenIds.length),
    labelPositions: BigInt64Array.from(positions),
    labelIds: BigInt64Array.from(ids),
    poolingWeights,
    pairs: pairsOf(units, options.pairs ?? inOrder),
    adjacency: blockDiagonal(units, rows, options.adjacency),
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
