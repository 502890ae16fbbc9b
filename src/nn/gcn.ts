// A graph convolutional network (Kipf & Welling 2017, arXiv 1609.02907): every layer mixes a node with those whose edges
// point to it.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { type GraphNodes, type HeadShapes, headBias, headProduct, layerShapes } from "./head-layer.ts";

export interface Gcn {
  readonly kind: "gcn";
  /** Features of a node after the layers, and between them. */
  readonly width: number;
  /** Features between the layers, when different. */
  readonly innerWidth?: number;
  /** Whether the second layer gives the logits directly, without a ReLU and a linear layer after it, as in the released
   * code. */
  readonly direct?: boolean;
}

const LAYERS = 2;

/** gcn.0.*, gcn.1.* */
export function gcnShapes(classifier: Gcn & { readonly classes: number }, hiddenSize: number): HeadShapes {
  const { width, innerWidth = width, direct = false, classes } = classifier;
  return new Map([
    ...layerShapes("gcn.0", innerWidth, hiddenSize),
    ...layerShapes("gcn.1", direct ? classes : width, innerWidth),
  ]);
}

/** ReLU(Â·X·Wᵀ + b), twice, with Â = D^-½·(A + I)·D^-½ by in-degrees → [B, width]; when direct, without the second
 * ReLU → [B, classes] */
export function gcn(
  g: GraphBuilder,
  { nodes, adjacency, afterFirst }: GraphNodes,
  { direct = false }: Gcn,
): Value {
  let x = nodes;
  for (let layer = 0; layer < LAYERS; layer++) {
    const name = `gcn.${layer}`;
    const mixed = headBias(g, name, op.matMul(g, adjacency, headProduct(g, name, x)));
    x = direct && layer === LAYERS - 1 ? mixed : op.relu(g, mixed);
    if (layer === 0) x = afterFirst(x);
  }
  return x;
}
