// Makes a student's step graph anew over our own operators and the same weights in the same files, where these operators can
// compute it.

import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { LinearWeight } from "../nn/linear.ts";
import {
  type BlockWeights,
  hasNativeAttention,
  type JoinedBlocks,
  nativeEngineGraph,
} from "../nn/native-graph.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { TensorData, Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import type { BlockRows } from "../onnx/own-operators.ts";
import { GraphWeights } from "./graph-weights.ts";
import { BLOCK_SIZE } from "./quantise-blocks.ts";

/** A layer's modules; those with the same input, whose products are one, together. */
export const JOINED_MODULES = [
  ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  ["self_attn.o_proj"],
  ["mlp.gate_proj", "mlp.up_proj"],
  ["mlp.down_proj"],
];

const EMBEDDING = "model.embed_tokens";

/** From an encoded step graph to one over our own operators, or why there is none. @throws MAGDI_BAD_GRAPH when the bytes are
 * not a graph. */
export function nativeStepGraph(
  bytes: Uint8Array,
  config: DecoderConfig,
): { readonly graph: Uint8Array } | { readonly reason: string } {
  if (!hasNativeAttention(config)) return { reason: `heads of ${config.headSize}` };
  const stored = GraphWeights.decode(bytes);
  if (!areBlocks(stored, config)) return { reason: "weights that are not in blocks" };
  return { graph: encodeModel(nativeEngineGraph(config, (g) => nativeWeights(g, stored, config))) };
}

/** Whether every matrix is in blocks, the embedding without minimums. */
function areBlocks(stored: GraphWeights, config: DecoderConfig): boolean {
  const inBlocks = (module: string): boolean => {
    const group = stored.groupOf(module);
    return stored.initializers.get(`${group?.name}.weight.codes`)?.type === "uint8";
  };
  const modules = Array.from({ length: config.layers }, (_, layer) =>
    JOINED_MODULES.flat().map((module) => `model.layers.${layer}.${module}`),
  ).flat();
  const vocabulary = config.tiedHead ? [EMBEDDING] : [EMBEDDING, "lm_head"];
  const floats = stored.initializers.get("rotary.cosine")?.type;
  return (
    floats === "float32" &&
    [...modules, ...vocabulary].every(inBlocks) &&
    !stored.has(`${EMBEDDING}.weight.mins`)
  );
}

/** Adds the weights to a graph. Call areBlocks first. */
function nativeWeights(g: GraphBuilder, stored: GraphWeights, config: DecoderConfig): BlockWeights {
  const add = (name: string): Value => g.initializer(name, stored.initializers.get(name)!); // areBlocks has looked
  const optional = (name: string): Value | null => (stored.has(name) ? add(name) : null);

  const blocks = (group: string): BlockRows => {
    const codes = stored.initializers.get(`${group}.weight.codes`)!; // areBlocks has looked
    const bits = (codes.shape.at(-1) ?? 0) < BLOCK_SIZE ? 4 : 8;
    return {
      codes: add(`${group}.weight.codes`),
      scales: add(`${group}.weight.scales`),
      mins: minimums(g, stored, group, bits),
      bits,
    };
  };
  const linear = (modules: readonly string[]): JoinedBlocks => {
    const groups = [...new Set(modules.map((module) => stored.groupOf(module)!.name))]; // areBlocks has looked
    const biases = groups.flatMap((group) => optional(`${group}.bias`) ?? []);
    const [bias = null] = biases;
    return {
      weights: groups.map(blocks),
      bias: biases.length > 1 ? op.concatenate(g, biases) : bias,
    };
  };
  return {
    linear,
    vector: add,
    embedding: lookUpWeight(g, stored, blocks(EMBEDDING), config),
    head: linear([config.tiedHead ? EMBEDDING : "lm_head"]),
    cosine: add("rotary.cosine"),
    sine: add("rotary.sine"),
  };
}

/** float16 values as float32; ONNX Runtime folds the cast when it loads the graph. */
const widened = (g: GraphBuilder, stored: GraphWeights, name: Value): Value =>
  stored.initializers.get(name)?.type === "float16" ? op.cast(g, name, "float32") : name;

/** The value of code 0 as it is stored: a grid of 5 bits lies in the middle of 8. */
function minimums(g: GraphBuilder, stored: GraphWeights, group: string, bits: 4 | 8): Value | null {
  const name = `${group}.weight.mins`;
  const tensor = stored.initializers.get(name);
  if (tensor === undefined) return null;
  const mins = g.initializer(name, tensor);
  const middle = 2 ** (bits - 1);
  const shift = (stored.centreOf(group) ?? middle) - middle;
  if (shift === 0) return mins;
  const scales = widened(g, stored, `${group}.weight.scales`);
  return op.add(g, widened(g, stored, name), op.mul(g, scales, g.float(shift)));
}

/** The embedding for a look-up by row. */
function lookUpWeight(
  g: GraphBuilder,
  stored: GraphWeights,
  { codes, scales, bits }: BlockRows,
  { vocabSize: rows, hiddenSize: columns }: DecoderConfig,
): LinearWeight {
  const tensor = stored.initializers.get(codes)!; // it is in the graph
  const byRow: TensorData = { ...tensor, shape: [rows, (columns * bits) / 8] };
  return {
    kind: "blocks",
    floats: "float32",
    bits,
    rows,
    columns,
    blockSize: BLOCK_SIZE,
    codes,
    codeRows: () => g.initializer(`${EMBEDDING}.weight.code_rows`, byRow),
    scales: widened(g, stored, scales),
    offsets: null,
  };
}
