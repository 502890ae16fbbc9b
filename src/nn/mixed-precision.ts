// Mixed precision for training over a float16 base: products with the base's weights are computed in float16, everything
// else, adapters and residual sums included, in float32.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import type { DecoderWeights } from "./decoder-weights.ts";
import type { ProductWeight } from "./linear.ts";

/** Loss scaling: the loss is multiplied by this before the backward pass goes through float16 products, whose smallest
 * number is 6e-8, and the gradients are divided by it. */
export const HALF_LOSS_SCALE = 1024;

/** The same weights for float32 activations; float32 weights are returned unchanged. */
export function withFloat32Between(g: GraphBuilder, weights: DecoderWeights): DecoderWeights {
  if (weights.floats === "float32") return weights;
  const wide = (x: Value): Value => op.cast(g, x, "float32");
  const given = <T extends ProductWeight>(weight: T): T =>
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
