// The losses of a training step. Each is a sum times a scale that is an input of the graph, so that gradients can be
// accumulated over several batches and divided by the count of all.

import { MagdiError } from "../base/errors.ts";
import { stopGradient, withGradient } from "../onnx/gradient.ts";
import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { inItsFloats, type LinearWeight, lookedUp } from "./linear.ts";

/** logits [N, V] → log Σ e^z [N, 1], stabilised by subtracting the largest logit, through which no gradient flows */
function logSumExp(g: GraphBuilder, logits: Value): Value {
  const largest = stopGradient(g, op.reduceMax(g, logits));
  const powers = op.exp(g, op.sub(g, logits, largest));
  return op.add(g, op.log(g, op.reduceSum(g, powers, -1, true)), largest);
}

/** Negative log-likelihood Σ (log Σ e^z − z_label) · scale of labels at given positions; logits are computed for these rows
 * only. hidden [T, C], positions int64 [L] (rows of hidden), labels int64 [L], scale [] → [] */
export function tokenLoss(
  g: GraphBuilder,
  hidden: Value,
  head: LinearWeight,
  positions: Value,
  labels: Value,
  scale: Value,
): Value {
  if (head.kind !== "float") {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      "training needs a vocabulary head in floats, found one in quantised blocks",
    );
  }
  const rows = op.gather(g, hidden, positions, 0);
  const logits = inItsFloats(g, head, rows, (x) => op.fusedMatMul(g, x, head.weight, { transB: true }));
  // The label's logit from its row of the head, without another [L, V] array.
  const labelRows = lookedUp(g, head, op.gather(g, head.weight, labels, 0));
  const picked = op.reduceSum(g, op.mul(g, rows, labelRows), -1, true);
  // log Σ e^z from softmax: its largest value is e^(largest logit − log Σ e^z), at least 1/V.
  const shares = op.softmax(g, logits);
  const logSum = op.sub(g, op.reduceMax(g, logits), op.log(g, op.reduceMax(g, shares)));
  const loss = op.mul(g, op.sumAll(g, op.sub(g, logSum, picked)), scale);
  // d loss / d rows = scale·(softmax·head − label rows): the product is the only pass over [L, V].
  const expected = (): Value => inItsFloats(g, head, shares, (x) => op.matMul(g, x, head.weight));
  return withGradient(g, loss, [rows], ({ dy }) => [
    () => op.mul(g, op.sub(g, expected(), labelRows), op.mul(g, dy, scale)),
  ]);
}

/** Σ max(0, margin − (s⁺ − s⁻)) · scale (arXiv 2402.01620, eq. 5).
 * scores [B], pairs int64 [P, 2] (a correct row, an incorrect one), scale [] → [] */
export function marginLoss(
  g: GraphBuilder,
  scores: Value,
  pairs: Value,
  margin: number,
  scale: Value,
): Value {
  const side = (column: number): Value => op.gather(g, scores, op.gather(g, pairs, g.ints(column), 1), 0);
  const gap = op.sub(g, side(0), side(1));
  return op.mul(g, op.sumAll(g, op.relu(g, op.sub(g, g.float(margin), gap))), scale);
}

/** Cross-entropy Σ (log Σ e^z − z_label) · scale over the rows with a label of 0 or more.
 * logits [B, K], labels int64 [B], scale [] → [] */
export function nodeLoss(
  g: GraphBuilder,
  logits: Value,
  labels: Value,
  classes: number,
  scale: Value,
): Value {
  const column = op.unsqueeze(g, labels, 1);
  const every = g.ints(Array.from({ length: classes }, (_, index) => index));
  const chosen = op.cast(g, op.equal(g, column, every), "float32");
  const counted = op.cast(g, op.greater(g, column, g.ints(-1)), "float32");
  const all = op.sumAll(g, op.mul(g, logSumExp(g, logits), counted));
  return op.mul(g, op.sub(g, all, op.sumAll(g, op.mul(g, logits, chosen))), scale);
}
