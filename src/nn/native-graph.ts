// The engine's step graph over our own operators: five nodes a layer. It has the inputs and outputs of the stock step graph
// (serving-graph.ts), except that log_sum_exp stands in for top_probability, and that keys are cached in tiles.

import type { Model, Value } from "../onnx/graph.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { type BlockRows, cachedAttention, candidates, quantisedLinear } from "../onnx/own-operators.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import { type LinearWeight, lookUp } from "./linear.ts";
import { CANDIDATES, cacheOutputs, stepInputs } from "./serving-graph.ts";

export { KEY_TILE_TOKENS } from "../onnx/own-operators.ts";

/** The rows of modules with the same input, joined in their order. */
export interface JoinedBlocks {
  readonly weights: readonly BlockRows[];
  /** [Σ rows] */
  readonly bias: Value | null;
}

/** The weights of a decoder whose every matrix is in blocks, in a graph. */
export interface BlockWeights {
  linear(modules: readonly string[]): JoinedBlocks;
  /** A norm's weight. */
  vector(name: string): Value;
  readonly embedding: LinearWeight;
  readonly head: JoinedBlocks;
  /** [positions, headSize/2] */
  readonly cosine: Value;
  readonly sine: Value;
}

/** Head sizes that our attention has. */
export const hasNativeAttention = ({ headSize }: DecoderConfig): boolean =>
  headSize % 16 === 0 && headSize <= 256;

/** x [B, S, C] → [B, S, C] */
function layerNodes(
  g: GraphBuilder,
  x: Value,
  layer: number,
  lengths: Value,
  config: DecoderConfig,
  weights: BlockWeights,
): Value {
  const prefix = `model.layers.${layer}`;
  const linear = (parent: string, ...modules: readonly string[]) =>
    weights.linear(modules.map((module) => `${prefix}.${parent}.${module}`));
  const norm = (name: string) => ({
    weight: weights.vector(`${prefix}.${name}.weight`),
    epsilon: config.normEpsilon,
  });
  const headNorm = (name: string): Value => weights.vector(`${prefix}.self_attn.${name}.weight`);

  const packed = quantisedLinear(g, x, {
    ...linear("self_attn", "q_proj", "k_proj", "v_proj"),
    norm: norm("input_layernorm"),
  });
  const attended = cachedAttention(g, {
    packed,
    pastKey: `past_key_values.${layer}.key`,
    pastValue: `past_key_values.${layer}.value`,
    presentKey: `present.${layer}.key`,
    presentValue: `present.${layer}.value`,
    lengths,
    cosine: weights.cosine,
    sine: weights.sine,
    norms: config.queryKeyNorm
      ? { query: headNorm("q_norm"), key: headNorm("k_norm"), epsilon: config.normEpsilon }
      : null,
    heads: config.heads,
    keyValueHeads: config.keyValueHeads,
    headSize: config.headSize,
    window: config.windows[layer] ?? null,
  });
  const residual = quantisedLinear(g, attended, { ...linear("self_attn", "o_proj"), residual: x });
  const fed = quantisedLinear(g, residual, {
    ...linear("mlp", "gate_proj", "up_proj"),
    norm: norm("post_attention_layernorm"),
    swiglu: true,
  });
  return quantisedLinear(g, fed, { ...linear("mlp", "down_proj"), residual });
}

/** The inputs of a step, and output_positions int64 [P] (from 0 to S − 1) → candidate_logits [B·P, K],
 * candidate_ids int64 [B·P, K], log_sum_exp [B·P] and logits [B·P, V], those of a row's output positions together, and the
 * caches, bound to the same memory as the inputs. `load` adds the weights to the graph. */
export function nativeEngineGraph(config: DecoderConfig, load: (g: GraphBuilder) => BlockWeights): Model {
  const g = new GraphBuilder();
  const weights = load(g);
  const { ids, lengths } = stepInputs(g, config, "float32");
  let x = g.scoped("model.embed_tokens", () => lookUp(g, ids, weights.embedding));
  for (let layer = 0; layer < config.layers; layer++) {
    x = g.scoped(`model.layers.${layer}`, () => layerNodes(g, x, layer, lengths, config, weights));
  }
  const positions = g.input("output_positions", "int64", ["output_positions"]);
  const outputs = op.reshape(g, op.gather(g, x, positions, 1), [-1, config.hiddenSize]);
  const norm = { weight: weights.vector("model.norm.weight"), epsilon: config.normEpsilon };
  const logits = g.scoped("lm_head", () =>
    quantisedLinear(g, outputs, { ...weights.head, norm, output: "logits" }),
  );
  const count = Math.min(CANDIDATES, config.vocabSize);
  candidates(g, logits, count);
  g.output("candidate_logits", "float32", ["outputs", count]);
  g.output("candidate_ids", "int64", ["outputs", count]);
  g.output("log_sum_exp", "float32", ["outputs"]);
  g.output("logits", "float32", ["outputs", config.vocabSize]);
  cacheOutputs(g, config, "float32");
  return g.build("magdi_engine");
}
