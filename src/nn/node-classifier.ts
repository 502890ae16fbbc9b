// The head that says of each node of interaction graphs whether its answer is right, from the pooled nodes and the
// graphs' edges: one of several kinds, of which each has its own file.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { type Gcn, gcn, gcnShapes } from "./gcn.ts";
import { type HeadShapes, headLayer, layerShapes } from "./head-layer.ts";

export type NodeClassifier = Gcn & { readonly classes: number };

/** The classifier's own tensors, and node.* [classes, width] */
export function nodeClassifierShapes(classifier: NodeClassifier, hiddenSize: number): HeadShapes {
  return new Map([
    ...gcnShapes(classifier, hiddenSize),
    ...layerShapes("node", classifier.classes, classifier.width),
  ]);
}

/** nodes [B, C], adjacency [B, B] → [B, width], by kind. */
const MIXERS = { gcn } satisfies Record<NodeClassifier["kind"], unknown>;

/** nodes [B, C], adjacency [B, B] (normalised; row the target, column the source) → logits [B, classes] */
export function nodeClassifier(
  g: GraphBuilder,
  nodes: Value,
  adjacency: Value,
  classifier: NodeClassifier,
): Value {
  return headLayer(g, "node", MIXERS[classifier.kind](g, nodes, adjacency));
}
