// The decoder's operators for serving: grouped-query attention over a cache that is updated in place, and ONNX Runtime's
// fused norms.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import type { DecoderContext } from "./decoder.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import type { DecoderWeights } from "./decoder-weights.ts";

export interface CacheLengths {
  /** int64 [2]: B and S */
  readonly batchShape: Value;
  /** int32 [B]: tokens of each row after the step, minus one */
  readonly lengths: Value;
  /** int32 []: tokens of the longest row */
  readonly totalLength: Value;
}

/** The rotary embedding inside the attention operator needs head sizes that are multiples of 16. */
const rotatesInside = (config: DecoderConfig): boolean => config.headSize % 16 === 0;

/** ids [B, S], lengths int32 [B] (tokens after the step, minus one) → each token's position int64 [B, S] */
function positionsOf(g: GraphBuilder, ids: Value, lengths: Value): Value {
  const count = op.gather(g, op.shape(g, ids), g.ints(1), 0);
  const last = op.unsqueeze(g, op.cast(g, lengths, "int64"), 1);
  const first = op.sub(g, last, op.sub(g, count, g.ints(1)));
  return op.add(g, first, op.range(g, g.ints(0), count, g.ints(1)));
}

/** Attention reads past_key_values.{layer}.* and writes present.{layer}.*. */
export function servingContext(
  g: GraphBuilder,
  ids: Value,
  config: DecoderConfig,
  weights: DecoderWeights,
  { batchShape, lengths, totalLength }: CacheLengths,
): DecoderContext {
  const tables = { cosine: weights.cosine, sine: weights.sine };
  const rotary = rotatesInside(config) ? null : { ...tables, positions: positionsOf(g, ids, lengths) };
  return {
    batchShape,
    rotary,
    norm: op.simplifiedLayerNormalization,
    addNorm: op.skipSimplifiedLayerNormalization,
    layer: (_, build) => build(),
    packed: true,
    attend: (g, layer, heads) =>
      op.groupQueryAttention(g, {
        ...heads,
        pastKey: `past_key_values.${layer}.key`,
        pastValue: `past_key_values.${layer}.value`,
        presentKey: `present.${layer}.key`,
        presentValue: `present.${layer}.value`,
        lengths,
        totalLength,
        rotary: rotary === null ? tables : null,
        heads: config.heads,
        keyValueHeads: config.keyValueHeads,
        window: config.windows[layer] ?? null,
      }),
  };
}
