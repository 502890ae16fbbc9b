// The head that scores a pooled sequence for the margin loss: s = tanh(W·h + b) as in the paper (arXiv 2402.01620, eq. 4),
// or two layers with a ReLU between as in the released code.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { type HeadShapes, headLayer, layerShapes } from "./head-layer.ts";

/** `width` is the number of features between the two layers. */
export type ScoreHead = { readonly kind: "linear" } | { readonly kind: "mlp"; readonly width: number };

/** score.*, or score.0.* and score.2.* */
export function scoreHeadShapes(head: ScoreHead, hiddenSize: number): HeadShapes {
  if (head.kind === "linear") return new Map(layerShapes("score", 1, hiddenSize));
  return new Map([
    ...layerShapes("score.0", head.width, hiddenSize),
    ...layerShapes("score.2", 1, head.width),
  ]);
}

/** pooled [B, C] → scores between -1 and 1 [B] */
export function scoreHead(g: GraphBuilder, pooled: Value, head: ScoreHead): Value {
  const logits =
    head.kind === "linear"
      ? headLayer(g, "score", pooled)
      : headLayer(g, "score.2", op.relu(g, headLayer(g, "score.0", pooled)));
  return op.tanh(g, op.reshape(g, logits, [-1]));
}
