// The head that says of each node of interaction graphs whether its answer is right, from the pooled nodes and the
// graphs' edges: one of several kinds, of which each has its own file.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { type Gcn, gcn, gcnShapes } from "./gcn.ts";
import {
  type GraphAttention,
  graphAttentionShapes,
  nodeAttention,
  tokenAttention,
} from "./graph-attention.ts";
import { type GraphNodes, type HeadShapes, headLayer, layerShapes } from "./head-layer.ts";

export type NodeClassifier = (Gcn | GraphAttention) & { readonly classes: number };
export const NODE_CLASSIFIERS = ["gcn", "node-attention", "token-attention"] as const;

/** The classifier's own tensors, and node.* [classes, width] */
export function nodeClassifierShapes(classifier: NodeClassifier, hiddenSize: number): HeadShapes {
  return new Map([
    ...(classifier.kind === "gcn"
      ? gcnShapes(classifier, hiddenSize)
      : graphAttentionShapes(classifier, hiddenSize)),
    ...layerShapes("node", classifier.classes, classifier.width),
  ]);
}

/** A batch's graphs → [B, width], by kind. */
const MIXERS = {
  gcn,
  "node-attention": nodeAttention,
  "token-attention": tokenAttention,
} satisfies Record<NodeClassifier["kind"], unknown>;

/** A batch's graphs → logits [B, classes] */
export function nodeClassifier(g: GraphBuilder, graph: GraphNodes, classifier: NodeClassifier): Value {
  return headLayer(g, "node", MIXERS[classifier.kind](g, graph, classifier.width));
}
