// The SwiGLU feed-forward block: down(silu(gate(x)) ∘ up(x)).

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import type { LayerWeights } from "./decoder-weights.ts";
import { type LinearGroup, linear, linears } from "./linear.ts";

/** x [T, C] → [T, C] */
export function swiglu(g: GraphBuilder, x: Value, layer: number, weights: LayerWeights): Value {
  const prefix = `model.layers.${layer}.mlp`;
  const groups = weights.linears([`${prefix}.gate_proj`, `${prefix}.up_proj`]);
  const [gate, up] = linears(g, x, groups) as [Value, Value]; // two modules give two values
  const [down] = weights.linears([`${prefix}.down_proj`]) as [LinearGroup]; // one module, one group
  return linear(g, op.mul(g, op.quickGelu(g, gate), up), down);
}
