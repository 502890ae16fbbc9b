// The two graphs of a student over one set of weights: the engine's step graph, and the graph that transformers.js and other
// ONNX users load.

import type { FloatType, Model, Value } from "../onnx/graph.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { decoder, vocabularyHead } from "./decoder.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import type { DecoderWeights } from "./decoder-weights.ts";
import { servingContext } from "./serving-context.ts";

/** Adds the weights to a graph; called once for each graph. */
export type WeightLoader = (g: GraphBuilder) => DecoderWeights;

/** Top-k tokens that the graph returns: enough for top_k 50 and the end tokens that min_tokens masks. */
export const CANDIDATES = 64;

/** past_key_values.{layer}.key and .value [B, keyValueHeads, capacity, D] */
function cacheInputs(g: GraphBuilder, config: DecoderConfig, type: FloatType): void {
  for (let layer = 0; layer < config.layers; layer++) {
    for (const part of ["key", "value"]) {
      const shape = ["batch_size", config.keyValueHeads, "past_sequence_length", config.headSize];
      g.input(`past_key_values.${layer}.${part}`, type, shape);
    }
  }
}

export function cacheOutputs(g: GraphBuilder, config: DecoderConfig, type: FloatType): void {
  for (let layer = 0; layer < config.layers; layer++) {
    for (const part of ["key", "value"]) {
      const shape = ["batch_size", config.keyValueHeads, "present_sequence_length", config.headSize];
      g.output(`present.${layer}.${part}`, type, shape);
    }
  }
}

/** The inputs of a step over the engine's cache: input_ids int64 [B, S], lengths int32 [B] (tokens after the step, minus
 * one), total_length int32 [] (of the longest row), and the caches of type `floats`. */
export function stepInputs(g: GraphBuilder, config: DecoderConfig, floats: FloatType) {
  const ids = g.input("input_ids", "int64", ["batch_size", "sequence_length"]);
  const lengths = g.input("lengths", "int32", ["batch_size"]);
  const totalLength = g.input("total_length", "int32", []);
  cacheInputs(g, config, floats);
  return { ids, lengths, totalLength };
}

/** x [...] → [...] in float32, the type that probabilities are computed in */
const wide = (g: GraphBuilder, x: Value, { floats }: DecoderWeights): Value =>
  floats === "float32" ? x : op.cast(g, x, "float32");

/** input_ids int64 [B, S], lengths int32 [B] (tokens after the step, minus one), total_length int32 [] (the
 * longest), caches [B, heads, capacity, D] → candidate_logits [B, K], candidate_ids int64 [B, K], top_probability [B],
 * logits [B, V], all of the last position, and the caches, bound to the same memory as the inputs. All outputs in floats
 * are float32, except the caches, which have the type of the weights. */
export function engineGraph(config: DecoderConfig, load: WeightLoader): Model {
  const g = new GraphBuilder();
  const weights = load(g);
  const { ids, lengths, totalLength } = stepInputs(g, config, weights.floats);
  const batchShape = op.shape(g, ids);
  const context = servingContext(g, ids, config, weights, { batchShape, lengths, totalLength });
  const hidden = decoder(g, ids, config, weights, context);
  const inBatch = op.reshapeTo(g, hidden, op.concatenate(g, [batchShape, g.ints([config.hiddenSize])]));
  const logits = wide(g, vocabularyHead(g, op.gather(g, inBatch, g.ints(-1), 1), config, weights), weights);
  g.node("Identity", [logits], { outputs: ["logits"] });
  const candidates = Math.min(CANDIDATES, config.vocabSize);
  op.topK(g, logits, candidates, "candidate_logits", "candidate_ids");
  // The highest probability is looked up by index: ReduceMax would need cuDNN on CUDA.
  const first = op.gather(g, "candidate_ids", g.ints([0]), 1);
  const probability = op.gatherElements(g, op.softmax(g, logits), first, 1);
  g.node("Squeeze", [probability, g.ints([1])], { outputs: ["top_probability"] });
  g.output("candidate_logits", "float32", ["batch_size", candidates]);
  g.output("candidate_ids", "int64", ["batch_size", candidates]);
  g.output("top_probability", "float32", ["batch_size"]);
  g.output("logits", "float32", ["batch_size", config.vocabSize]);
  cacheOutputs(g, config, weights.floats);
  return g.build("magdi_engine");
}

/** transformers.js' names: input_ids int64 [B, S], attention_mask int64 [B, past + S], past_key_values.* → logits
 * [B, S, V], present.* */
export function transformersGraph(config: DecoderConfig, load: WeightLoader): Model {
  const g = new GraphBuilder();
  const ids = g.input("input_ids", "int64", ["batch_size", "sequence_length"]);
  const mask = g.input("attention_mask", "int64", ["batch_size", "total_sequence_length"]);
  const weights = load(g);
  cacheInputs(g, config, weights.floats);
  const lastPosition = op.sub(g, op.reduceSum(g, mask, 1, false), g.ints(1));
  const lengths = op.cast(g, lastPosition, "int32");
  const totalLength = op.cast(g, op.gather(g, op.shape(g, mask), g.ints(1), 0), "int32");
  const batchShape = op.shape(g, ids);
  const context = servingContext(g, ids, config, weights, { batchShape, lengths, totalLength });
  const hidden = decoder(g, ids, config, weights, context);
  const logits = wide(g, vocabularyHead(g, hidden, config, weights), weights);
  const shape = op.concatenate(g, [batchShape, g.ints([config.vocabSize])]);
  g.node("Reshape", [logits, shape], { outputs: ["logits"] });
  g.output("logits", "float32", ["batch_size", "sequence_length", config.vocabSize]);
  cacheOutputs(g, config, weights.floats);
  return g.build("magdi_student");
}
