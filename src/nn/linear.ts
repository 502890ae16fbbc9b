// A linear layer y = x·Wᵀ + b over weights in floats or in quantised blocks, and an embedding over the same.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";

/** A weight [rows, columns] that is already in the graph. */
export type LinearWeight =
  | { readonly kind: "float"; readonly weight: Value; readonly rows: number; readonly columns: number }
  | (op.BlockWeight & {
      readonly kind: "blocks";
      /** uint8 [rows, columns/block, block·bits/8] */
      readonly codes: Value;
      /** The same bytes as uint8 [rows, columns·bits/8], for a look-up by row. */
      readonly codeRows: () => Value;
      /** float32 [rows, columns/block] */
      readonly scales: Value;
      /** float32 [rows, columns/block], what each block's values lie above scale·(code − 2^(bits−1)); null when
       * that is nothing. */
      readonly offsets: Value | null;
    });

/** Several modules' rows in one weight, in this order, because they share their input. */
export interface LinearGroup {
  readonly rows: readonly number[];
  readonly weight: LinearWeight;
  /** float32 [Σ rows] */
  readonly bias: Value | null;
}

/** Σ over each block of the input: x [B, S, K] → [B, S, K/block]. With w = scale·(code − z) + offset a product
 * splits exactly into x·(scale·(code − z))ᵀ, which runs in integers, and blockSums(x)·offsetᵀ, 32 times smaller. */
function blockSums(g: GraphBuilder, x: Value, weight: op.BlockWeight): Value {
  const blocks = op.reshape(g, x, [0, 0, weight.columns / weight.blockSize, weight.blockSize]);
  return op.reduceSum(g, blocks, -1, false);
}

/** x [B, S, K], group [N, K] → x·Wᵀ + b [B, S, N] */
export function linear(g: GraphBuilder, x: Value, group: LinearGroup): Value {
  const { weight, bias } = group;
  let y: Value;
  if (weight.kind === "float") y = op.fusedMatMulTransposed(g, x, weight.weight);
  else {
    y = op.matMulNBits(g, x, weight.codes, weight.scales, weight);
    if (weight.offsets !== null) {
      y = op.add(g, y, op.fusedMatMulTransposed(g, blockSums(g, x, weight), weight.offsets));
    }
  }
  return bias === null ? y : op.add(g, y, bias);
}

/** x [B, S, K], groups in the modules' order → one value [B, S, rows] for each module */
export function linears(g: GraphBuilder, x: Value, groups: readonly LinearGroup[]): Value[] {
  return groups.flatMap((group) => {
    const y = linear(g, x, group);
    return group.rows.length === 1 ? [y] : [...op.split(g, y, group.rows)];
  });
}

/** ids int64 [B, S], weight [V, C] → [B, S, C]. Blocks with offsets cannot be looked up; an exporter stores
 * embeddings without. */
export function embedding(g: GraphBuilder, ids: Value, weight: LinearWeight): Value {
  if (weight.kind === "float") return op.gather(g, weight.weight, ids, 0);
  return op.gatherBlockQuantized(g, weight.codeRows(), ids, weight.scales, weight);
}
