// A training batch over several graphs: padded token ids, label positions, pooling weights, contrastive pairs and the
// normalised adjacency Â. It knows token ids only: no text, no model.

import { contrastivePairs, type Pair } from "../../mag/contrastive-pairs.ts";
import { type Adjacency, normalisedAdjacency } from "./adjacency.ts";
import { ownSequences, type SharedPlaces, sharedSequences } from "./sequence-layout.ts";
import type { TrainingUnit } from "./training-unit.ts";

/** Row-major arrays. A row is a sequence, padded on the right: one for each node, unless prompts are shared. */
export interface TrainingBatch {
  /** [rows · columns] */
  readonly tokenIds: BigInt64Array;
  readonly rows: number;
  readonly columns: number;
  /** [rows]: tokens without padding */
  readonly lengths: Int32Array;
  /** Present when prompts are shared. */
  readonly shared?: SharedPlaces;
  /** [labels]: row · columns + t of the position whose next token is the label */
  readonly labelPositions: BigInt64Array;
  /** [labels] */
  readonly labelIds: BigInt64Array;
  /** [rows · columns], or with shared prompts [nodes · rows · columns]: t / Σt with t = 1, 2, … over a node's tokens, 0
   * elsewhere */
  readonly poolingWeights: Float32Array;
  /** [pairs · 2]: a right and a wrong node of the same question */
  readonly pairs: BigInt64Array;
  /** [nodes · nodes]: Â, a block for each graph */
  readonly adjacency: Float32Array;
  /** [nodes] */
  readonly nodeLabels: BigInt64Array;
  /** The number of labels; an optimiser step divides by the sum over its batches. */
  readonly labelTokens: number;
}

export interface BatchOptions {
  readonly adjacency: Adjacency;
  /** Whether prompt tokens are labels too, as in the released code. Default false. */
  readonly lossOnPrompt?: boolean;
  /** The token id of padding, which is in no label and no pooled vector. Default 0. */
  readonly padTokenId?: number;
  /** Packs the rows of a unit after their prompt, which must be the same. Default false. */
  readonly sharedPrompts?: boolean;
  /** The pairs of a unit, as indices of its rows. Default: contrastivePairs in order. */
  readonly pairs?: (unit: TrainingUnit) => readonly Pair[];
}

/**
 * One batch of `units`. Labels are the tokens of right rows' completions, end token included.
 * @throws RangeError when there is no row, or one whose prompt is empty or longer than the row
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
