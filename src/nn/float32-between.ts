// A base in float16 that learns in float32: its products are computed in float16, and all that lies between them, the
// adapters and the sums among it, in float32.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import type { DecoderWeights } from "./decoder-weights.ts";
import type { LinearWeight, RowWeight } from "./linear.ts";

/** What a loss is multiplied by before its gradients go through products in float16, whose least number is 6e-8, and the
 * gradients are divided by again. */
export const HALF_LOSS_SCALE = 1024;

/** The same weights for activations in float32. Those in float32 stay as they are. */
export function withFloat32Between(g: GraphBuilder, weights: DecoderWeights): DecoderWeights {
  if (weights.floats === "float32") return weights;
  const wide = (x: Value): Value => op.cast(g, x, "float32");
  const given = <T extends LinearWeight | RowWeight>(weight: T): T =>
    weight.kind === "float" ? { ...weight, given: "float32" } : weight;
  return {
    floats: "float32",
    embedding: given(weights.embedding),
    head: given(weights.head),
    cosine: wide(weights.cosine),
    sine: wide(weights.sine),
    vector: (name) => wide(weights.vector(name)),
    linears: (modules) =>
      weights.linears(modules).map((group) => ({
        ...group,
        weight: given(group.weight),
        bias: group.bias === null ? null : wide(group.bias),
      })),
  };
}
