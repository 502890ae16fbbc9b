// Pooling: one vector for a sequence of hidden states, their weighted sum. Padding has weight 0.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";

/** h = Σ w_t·h_t; for MAGDi w_t = t / Σ t over the real tokens (arXiv 2402.01620, eq. 3).
 * hidden [B·T, C], weights [B, T], batchShape int64 [2] → [B, C] */
export function pool(
  g: GraphBuilder,
  hidden: Value,
  weights: Value,
  batchShape: Value,
  hiddenSize: number,
): Value {
  const inBatch = op.reshapeTo(g, hidden, op.concatenate(g, [batchShape, g.ints([hiddenSize])]));
  const summed = op.matMul(g, op.unsqueeze(g, weights, 1), inBatch);
  return op.reshape(g, summed, [-1, hiddenSize]);
}

/** The same for nodes whose tokens are anywhere among the rows: hidden [S, C], weights [N, S] → [N, C] */
export const poolAnywhere = (g: GraphBuilder, hidden: Value, weights: Value): Value =>
  op.matMul(g, weights, hidden);
