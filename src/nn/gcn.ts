// A graph convolutional network (Kipf & Welling 2017, arXiv 1609.02907): every layer mixes a node with those whose
// edges point to it. It knows no classes.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { type GraphNodes, type HeadShapes, headBias, headProduct, layerShapes } from "./head-layer.ts";

export interface Gcn {
  readonly kind: "gcn";
  /** What a node has after the layers, and between them. */
  readonly width: number;
  /** What it has between them where that is another. */
  readonly innerWidth?: number;
  /** The second layer gives the logits itself, without a ReLU and without a linear layer behind it, as in the released
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

/** ReLU(Â·X·Wᵀ + b), twice, with Â = D^-½·(A + I)·D^-½ over in-degrees: [B, width]; direct, the second time without
 * the ReLU: [B, classes] */
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
