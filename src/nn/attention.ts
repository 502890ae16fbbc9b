// Grouped-query attention over a key/value cache: projections, query and key norms, rotary embedding, output.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import type { DecoderWeights } from "./decoder-weights.ts";
import { linear, linears } from "./linear.ts";

/** What every layer's attention shares in one graph. */
export interface AttentionContext {
  /** int64 [2]: B and S of the tokens, whose activations are [B·S, C] everywhere else. */
  readonly batchShape: Value;
  readonly lengths: Value;
  readonly totalLength: Value;
  readonly cosine: Value;
  readonly sine: Value;
  /** int64 [B, S]; null where the attention operator rotates by itself. */
  readonly positions: Value | null;
}

/** The attention operator's own rotary embedding takes head sizes that are multiples of 16. */
export const rotatesInside = (config: DecoderConfig): boolean => config.headSize % 16 === 0;

/** ids [B, S], lengths int32 [B] (tokens after the step, minus one) → each token's position int64 [B, S] */
export function positionsOf(g: GraphBuilder, ids: Value, lengths: Value): Value {
  const count = op.gather(g, op.shape(g, ids), g.ints(1), 0);
  const last = op.unsqueeze(g, op.cast(g, lengths, "int64"), 1);
  const first = op.sub(g, last, op.sub(g, count, g.ints(1)));
  return op.add(g, first, op.range(g, g.ints(0), count, g.ints(1)));
}

/** x [T, heads·D] → RMS norm over each head's D values, weight [D] */
function headNorm(g: GraphBuilder, x: Value, heads: number, weight: Value, config: DecoderConfig): Value {
  const perHead = op.reshape(g, x, [0, heads, config.headSize]);
  const normed = op.simplifiedLayerNormalization(g, perHead, weight, config.normEpsilon);
  return op.reshape(g, normed, [0, heads * config.headSize]);
}

/** x [T, C] → [T, C]; reads past_key_values.{layer}.* and writes present.{layer}.* */
export function attention(
  g: GraphBuilder,
  x: Value,
  layer: number,
  config: DecoderConfig,
  weights: DecoderWeights,
  context: AttentionContext,
): Value {
  const prefix = `model.layers.${layer}.self_attn`;
  const groups = weights.linears(["q_proj", "k_proj", "v_proj"].map((module) => `${prefix}.${module}`));
  let query: Value;
  let key: Value = "";
  let value: Value = "";
  const [first] = groups;
  const packed = !config.queryKeyNorm && context.positions === null;
  if (groups.length === 1 && first !== undefined && packed) query = linear(g, x, first);
  else {
    [query, key, value] = linears(g, x, groups) as [Value, Value, Value]; // three modules give three values
    if (config.queryKeyNorm) {
      query = headNorm(g, query, config.heads, weights.vector(`${prefix}.q_norm.weight`), config);
      key = headNorm(g, key, config.keyValueHeads, weights.vector(`${prefix}.k_norm.weight`), config);
    }
  }
  const inBatch = (x: Value, width: number): Value =>
    op.reshapeTo(g, x, op.concatenate(g, [context.batchShape, g.ints([width])]));
  const queryWidth = config.heads * config.headSize;
  const keyWidth = config.keyValueHeads * config.headSize;
  query = inBatch(query, key === "" ? queryWidth + 2 * keyWidth : queryWidth);
  if (key !== "") {
    key = inBatch(key, keyWidth);
    value = inBatch(value, keyWidth);
  }
  if (context.positions !== null) {
    query = op.rotaryEmbedding(g, query, context.positions, context.cosine, context.sine, config.heads);
    key = op.rotaryEmbedding(g, key, context.positions, context.cosine, context.sine, config.keyValueHeads);
  }
  const attended = op.groupQueryAttention(g, {
    query,
    key,
    value,
    pastKey: `past_key_values.${layer}.key`,
    pastValue: `past_key_values.${layer}.value`,
    presentKey: `present.${layer}.key`,
    presentValue: `present.${layer}.value`,
    lengths: context.lengths,
    totalLength: context.totalLength,
    rotary: context.positions === null ? { cosine: context.cosine, sine: context.sine } : null,
    heads: config.heads,
    keyValueHeads: config.keyValueHeads,
    window: config.windows[layer] ?? null,
  });
  const [output] = weights.linears([`${prefix}.o_proj`]) as [(typeof groups)[number]]; // one module, one group
  return linear(g, op.reshape(g, attended, [-1, queryWidth]), output);
}
