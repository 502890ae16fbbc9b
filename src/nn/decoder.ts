// The decoder: embedding, layers, final norm, vocabulary head; one definition for serving and training.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import type * as op from "../onnx/operators.ts";
import { type AttentionContext, attention } from "./attention.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import type { DecoderWeights, LayerWeights } from "./decoder-weights.ts";
import { embedding, linear } from "./linear.ts";
import { swiglu } from "./swiglu.ts";

/** What the layers of a graph share. */
export interface DecoderContext extends AttentionContext {
  /** branch, residual [T, C] → the norm of their sum, and their sum */
  readonly addNorm: typeof op.skipSimplifiedLayerNormalization;
  /** Runs `build`, which appends one layer's nodes. */
  readonly layer: (g: GraphBuilder, build: () => void) => void;
}

/** x (the norm of the residual), residual [T, C] → the output of the feed-forward block and the residual that it is to be
 * added to, both [T, C] */
export function decoderLayer(
  g: GraphBuilder,
  x: Value,
  residual: Value,
  layer: number,
  config: DecoderConfig,
  weights: LayerWeights,
  context: DecoderContext,
): { readonly fed: Value; readonly residual: Value } {
  const prefix = `model.layers.${layer}`;
  const attended = g.scoped(`${prefix}.self_attn`, () => attention(g, x, layer, config, weights, context));
  const norm = `${prefix}.post_attention_layernorm`;
  const [normed, sum] = g.scoped(norm, () =>
    context.addNorm(g, attended, residual, weights.vector(`${norm}.weight`), config.normEpsilon),
  );
  return { fed: g.scoped(`${prefix}.mlp`, () => swiglu(g, normed, layer, weights)), residual: sum };
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
  const append = (layer: number): void => {
    const after = decoderLayer(g, x, residual, layer, config, weights, context);
    const last = layer === config.layers - 1;
    const norm = last ? "model.norm" : `model.layers.${layer + 1}.input_layernorm`;
    [x, residual] = g.scoped(norm, () =>
      context.addNorm(g, after.fed, after.residual, weights.vector(`${norm}.weight`), config.normEpsilon),
    );
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
