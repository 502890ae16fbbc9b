// The decoder: embedding, layers, final norm, vocabulary head. One definition for serving and
// for training.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import type * as op from "../onnx/operators.ts";
import { type AttentionContext, attention } from "./attention.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import type { DecoderWeights } from "./decoder-weights.ts";
import { embedding, linear } from "./linear.ts";
import { swiglu } from "./swiglu.ts";

/** What the layers of one graph share. */
export interface DecoderContext extends AttentionContext {
  /** branch, residual [T, C] → [the norm of their sum, their sum] */
  readonly addNorm: typeof op.skipSimplifiedLayerNormalization;
  /** Runs `build`, which appends a layer. */
  readonly layer: (g: GraphBuilder, build: () => void) => void;
}

/** ids int64 [B, S] → the hidden states after the final norm [B·S, C] */
export function decoder(
  g: GraphBuilder,
  ids: Value,
  config: DecoderConfig,
  weights: DecoderWeights,
  context: DecoderContext,
): Value {
  let residual = g.scoped("model.embed_tokens", () => embedding(g, ids, weights.embedding));
  let x = g.scoped("model.layers.0.input_layernorm", () =>
    context.norm(g, residual, weights.vector("model.layers.0.input_layernorm.weight"), config.normEpsilon),
  );
  const addNorm = (branch: Value, norm: string): void => {
    [x, residual] = g.scoped(norm, () =>
      context.addNorm(g, branch, residual, weights.vector(`${norm}.weight`), config.normEpsilon),
    );
  };
  const append = (layer: number): void => {
    const prefix = `model.layers.${layer}`;
    const attended = g.scoped(`${prefix}.self_attn`, () => attention(g, x, layer, config, weights, context));
    addNorm(attended, `${prefix}.post_attention_layernorm`);
    const fed = g.scoped(`${prefix}.mlp`, () => swiglu(g, x, layer, weights));
    const last = layer === config.layers - 1;
    addNorm(fed, last ? "model.norm" : `model.layers.${layer + 1}.input_layernorm`);
  };
  for (let layer = 0; layer < config.layers; layer++) context.layer(g, () => append(layer));
  return x;
}

/** Hidden states [T, C] → logits [T, V] */
export function vocabularyHead(
  g: GraphBuilder,
  hidden: Value,
  config: DecoderConfig,
  weights: DecoderWeights,
): Value {
  const group = { rows: [config.vocabSize], weight: weights.head, bias: null };
  return g.scoped("lm_head", () => linear(g, hidden, group));
}
