// The attention block of a decoder layer: projections, query and key norms, rotary embedding, output projection. Attention
// itself comes from the context: over a cache for serving, over whole sequences for training.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import type { LayerWeights } from "./decoder-weights.ts";
import { linear, linears } from "./linear.ts";

/** What the attention of all layers shares in a graph. */
export interface AttentionContext {
  /** int64 [2]: B and S of the tokens; activations elsewhere are [B·S, C]. */
  readonly batchShape: Value;
  /** The rotary tables [positions, headSize/2] and the tokens' positions, int64 [B, S] or the first one's [1]; null when
   * `attend` rotates by itself. */
  readonly rotary: { readonly cosine: Value; readonly sine: Value; readonly positions: Value } | null;
  /** x [..., C], weight [C] → x over its root mean square ∘ weight */
  readonly norm: typeof op.simplifiedLayerNormalization;
  /** Whether `attend` takes queries, keys and values packed, as one product gives them. */
  readonly packed: boolean;
  /** query [B, S, heads·D], key and value [B, S, keyValueHeads·D] (or "" when packed into the query) →
   * [B, S, heads·D] */
  readonly attend: (
    g: GraphBuilder,
    layer: number,
    heads: { readonly query: Value; readonly key: Value; readonly value: Value },
  ) => Value;
}

/** x [T, heads·D] → RMS norm over each head's D values, weight [D] */
function headNorm(
  g: GraphBuilder,
  x: Value,
  heads: number,
  weight: Value,
  config: DecoderConfig,
  norm: AttentionContext["norm"],
): Value {
  const perHead = op.reshape(g, x, [0, heads, config.headSize]);
  const normed = norm(g, perHead, weight, config.normEpsilon);
  return op.reshape(g, normed, [0, heads * config.headSize]);
}

/** x [T, C] → [T, C] */
export function attention(
  g: GraphBuilder,
  x: Value,
  layer: number,
  config: DecoderConfig,
  weights: LayerWeights,
  context: AttentionContext,
): Value {
  const prefix = `model.layers.${layer}.self_attn`;
  const groups = weights.linears(["q_proj", "k_proj", "v_proj"].map((module) => `${prefix}.${module}`));
  let query: Value;
  let key: Value = "";
  let value: Value = "";
  const [first] = groups;
  const packed = context.packed && !config.queryKeyNorm && context.rotary === null;
  if (groups.length === 1 && first !== undefined && packed) query = linear(g, x, first);
  else {
    [query, key, value] = linears(g, x, groups) as [Value, Value, Value]; // three modules give three values
    if (config.queryKeyNorm) {
      const weight = (module: string): Value => weights.vector(`${prefix}.${module}.weight`);
      query = headNorm(g, query, config.heads, weight("q_norm"), config, context.norm);
      key = headNorm(g, key, config.keyValueHeads, weight("k_norm"), config, context.norm);
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
  if (context.rotary !== null) {
    const { positions, cosine, sine } = context.rotary;
    query = op.rotaryEmbedding(g, query, positions, cosine, sine, config.heads);
    key = op.rotaryEmbedding(g, key, positions, cosine, sine, config.keyValueHeads);
  }
  const attended = context.attend(g, layer, { query, key, value });
  const [output] = weights.linears([`${prefix}.o_proj`]) as [(typeof groups)[number]]; // one module, one group
  return linear(g, op.reshape(g, attended, [-1, queryWidth]), output);
}
