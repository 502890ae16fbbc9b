// The node classifier: the head that predicts for each node of interaction graphs whether its answer is right, from the
// pooled nodes and the edges. See gcn.ts and graph-attention.ts for its kinds.

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

const isDirect = (classifier: NodeClassifier): boolean =>
  classifier.kind === "gcn" && classifier.direct === true;

/** The tensors of its layers, and node.* [classes, width] unless it is direct. */
export function nodeClassifierShapes(classifier: NodeClassifier, hiddenSize: number): HeadShapes {
  return new Map([
    ...(classifier.kind === "gcn"
      ? gcnShapes(classifier, hiddenSize)
      : graphAttentionShapes(classifier, hiddenSize)),
    ...(isDirect(classifier) ? [] : layerShapes("node", classifier.classes, classifier.width)),
  ]);
}

/** Whether a key is that of a node classifier's parameter. */
export const isOfClassifier = (key: string): boolean => /^(gcn|attention|node)\./.test(key);

/** A batch's graphs → [B, width], or the logits of a direct classifier */
function mixed(g: GraphBuilder, graph: GraphNodes, classifier: NodeClassifier): Value {
  if (classifier.kind === "gcn") return gcn(g, graph, classifier);
  const attend = classifier.kind === "node-attention" ? nodeAttention : tokenAttention;
  return attend(g, graph, classifier.width);
}

/** A batch's graphs → logits [B, classes] */
export function nodeClassifier(g: GraphBuilder, graph: GraphNodes, classifier: NodeClassifier): Value {
  const nodes = mixed(g, graph, classifier);
  return isDirect(classifier) ? nodes : headLayer(g, "node", nodes);
}
