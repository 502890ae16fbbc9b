// Attention as a mixer of nodes, instead of a graph convolution: a node weighs those that it heard, and itself, by what
// they say. Over whole nodes, or over all their tokens. It knows no classes.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { type GraphNodes, type HeadShapes, headLayer, layerShapes } from "./head-layer.ts";

export interface GraphAttention {
  readonly kind: "node-attention" | "token-attention";
  /** What a node has between and after the layers. */
  readonly width: number;
}

const LAYERS = { "node-attention": 2, "token-attention": 1 } as const;
const PARTS = ["query", "key", "value"] as const;
/** What the score of a node that was not heard becomes: its share is exactly zero. */
const UNHEARD = -1e9;

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

/** x → 0 where it is above zero, UNHEARD elsewhere */
const maskOf = (g: GraphBuilder, x: Value): Value =>
  op.where(g, op.greater(g, x, g.float(0)), g.float(0), g.float(UNHEARD));

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

/** Over nodes, twice: [B, width] */
export function nodeAttention(g: GraphBuilder, graph: GraphNodes, width: number): Value {
  const mask = maskOf(g, graph.adjacency);
  let x = graph.afterFirst(layerOf(g, 0, graph.nodes, graph.nodes, mask, width));
  for (let layer = 1; layer < LAYERS["node-attention"]; layer++) x = layerOf(g, layer, x, x, mask, width);
  return x;
}

/** Each node over the real tokens of those that it heard, and its own: [B, width] */
export function tokenAttention(g: GraphBuilder, graph: GraphNodes, width: number): Value {
  const heard = op.unsqueeze(g, maskOf(g, graph.adjacency), 2);
  const real = op.unsqueeze(g, maskOf(g, graph.poolingWeights), 0);
  // [B, B, T] → [B, B·T]
  const batch = op.gather(g, op.shape(g, graph.adjacency), g.ints([0]), 0);
  const mask = op.reshapeTo(g, op.add(g, heard, real), op.concatenate(g, [batch, g.ints([-1])]));
  return graph.afterFirst(layerOf(g, 0, graph.nodes, graph.hidden, mask, width));
}
