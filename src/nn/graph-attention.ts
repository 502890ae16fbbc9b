// Attention instead of graph convolution: a node attends to itself and to the nodes with an edge to it, as pooled vectors or
// token by token.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { type GraphNodes, type HeadShapes, headLayer, layerShapes } from "./head-layer.ts";

export interface GraphAttention {
  readonly kind: "node-attention" | "token-attention";
  /** Features of a node between and after the layers. */
  readonly width: number;
}

const LAYERS = { "node-attention": 2, "token-attention": 1 } as const;
const PARTS = ["query", "key", "value"] as const;
/** The score of a masked node or token, whose attention weight is then exactly zero. */
const MASKED = -1e9;

/** attention.{layer}.query.*, .key.*, .value.* */
export function graphAttentionShapes({ kind, width }: GraphAttention, hiddenSize: number): HeadShapes {
  return new Map(
    Array.from({ length: LAYERS[kind] }, (_, layer) =>
      PARTS.flatMap((part) =>
        layerShapes(`attention.${layer}.${part}`, width, layer === 0 ? hiddenSize : width),
      ),
    ).flat(),
  );
}

/** x → 0 where it is above zero, MASKED elsewhere */
const maskOf = (g: GraphBuilder, x: Value): Value =>
  op.where(g, op.greater(g, x, g.float(0)), g.float(0), g.float(MASKED));

/** ReLU(softmax(Q·Kᵀ/√width + mask)·V). from [N, K], over [M, K], mask [N, M] → [N, width] */
function layerOf(
  g: GraphBuilder,
  layer: number,
  from: Value,
  over: Value,
  mask: Value,
  width: number,
): Value {
  const part = (name: (typeof PARTS)[number], x: Value): Value =>
    headLayer(g, `attention.${layer}.${name}`, x);
  const scores = op.fusedMatMul(g, part("query", from), part("key", over), {
    transB: true,
    alpha: 1 / Math.sqrt(width),
  });
  const shares = op.softmax(g, op.add(g, scores, mask));
  return op.relu(g, op.matMul(g, shares, part("value", over)));
}

/** Two layers over pooled nodes → [B, width] */
export function nodeAttention(g: GraphBuilder, graph: GraphNodes, width: number): Value {
  const mask = maskOf(g, graph.adjacency);
  let x = graph.afterFirst(layerOf(g, 0, graph.nodes, graph.nodes, mask, width));
  for (let layer = 1; layer < LAYERS["node-attention"]; layer++) x = layerOf(g, layer, x, x, mask, width);
  return x;
}

/** One layer, from each pooled node to the tokens of its neighbours and its own → [B, width] */
export function tokenAttention(g: GraphBuilder, graph: GraphNodes, width: number): Value {
  const edges = op.unsqueeze(g, maskOf(g, graph.adjacency), 2);
  const real = op.unsqueeze(g, maskOf(g, graph.poolingWeights), 0);
  // [B, B, T] → [B, B·T]
  const batch = op.gather(g, op.shape(g, graph.adjacency), g.ints([0]), 0);
  const mask = op.reshapeTo(g, op.add(g, edges, real), op.concatenate(g, [batch, g.ints([-1])]));
  return graph.afterFirst(layerOf(g, 0, graph.nodes, graph.hidden, mask, width));
}
