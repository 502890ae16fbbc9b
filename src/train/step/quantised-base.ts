// A frozen base in 8-bit blocks, for training with our own operators: each product's matrix is stored twice, as it is for the
// forward pass and transposed for the gradient. Norms, biases, embedding and head stay in float32.

import { MagdiError } from "../../base/errors.ts";
import type { DecoderWeights } from "../../nn/decoder-weights.ts";
import type { LinearGroup, LinearWeight } from "../../nn/linear.ts";
import { rotaryTables } from "../../nn/rope.ts";
import type { WeightLoader } from "../../nn/serving-graph.ts";
import type { TensorData, Value } from "../../onnx/graph.ts";
import type { GraphBuilder } from "../../onnx/graph-builder.ts";
import type { BlockRows } from "../../onnx/own-operators.ts";
import { type BaseModel, finiteFloats } from "../../student/base-model.ts";
import { JOINED_MODULES } from "../../student/native-step-graph.ts";
import { BLOCK_SIZE, centredAt, roundToSymmetric8 } from "../../student/quantise-blocks.ts";
import { concatenate, storeFloats, storeLinear } from "../../student/stored-linear.ts";
import type { WeightFiles } from "../../student/weight-files.ts";

const BITS = 8;
const CENTRE = 128;

interface StoredBlocks {
  readonly codes: TensorData;
  readonly scales: TensorData;
}

interface StoredProduct {
  readonly modules: readonly string[];
  readonly rows: readonly number[];
  readonly columns: number;
  readonly blocks: StoredBlocks;
  readonly transposed: StoredBlocks;
  readonly bias: TensorData | null;
}

/** Writes the base and returns what adds it to a graph. @throws MAGDI_BAD_FILE for numbers that are not finite,
 * MAGDI_UNSUPPORTED for matrices that are no multiples of a block. */
export async function writeQuantisedBase(
  base: BaseModel,
  files: WeightFiles,
  onProgress: (done: number, total: number) => void,
): Promise<WeightLoader> {
  const { config } = base;
  const total = config.layers + 2;
  const vectors = new Map<string, TensorData>();
  const products = new Map<string, StoredProduct>();
  const floats = (name: string): void => {
    const values = finiteFloats(base, name);
    vectors.set(name, storeFloats(files, "float32", base.tensors.get(name)!.shape, values)); // checked against the configuration
  };
  const product = (modules: readonly string[]): void => {
    const stored = storeProduct(base, modules, files);
    for (const module of modules) products.set(module, stored);
  };

  floats("model.embed_tokens.weight");
  onProgress(1, total);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    floats(`${prefix}.input_layernorm.weight`);
    floats(`${prefix}.post_attention_layernorm.weight`);
    if (config.queryKeyNorm) {
      floats(`${prefix}.self_attn.q_norm.weight`);
      floats(`${prefix}.self_attn.k_norm.weight`);
    }
    for (const group of JOINED_MODULES) product(group.map((module) => `${prefix}.${module}`));
    onProgress(layer + 2, total);
  }
  floats("model.norm.weight");
  if (!config.tiedHead) floats("lm_head.weight");
  const { cosine, sine } = rotaryTables(config);
  const shape = [config.positions, config.headSize / 2];
  const tables = {
    cosine: storeFloats(files, "float32", shape, cosine),
    sine: storeFloats(files, "float32", shape, sine),
  };
  onProgress(total, total);

  return (g): DecoderWeights => {
    const vector = (name: string): Value => g.initializer(name, vectors.get(name)!); // every one of the configuration is there
    const vocabulary = (module: string): LinearWeight => ({
      kind: "float",
      floats: "float32",
      weight: vector(`${module}.weight`),
      rows: config.vocabSize,
      columns: config.hiddenSize,
    });
    const embedding = vocabulary("model.embed_tokens");
    return {
      floats: "float32",
      embedding,
      head: config.tiedHead ? embedding : vocabulary("lm_head"),
      vector,
      linears: (modules) =>
        [...new Set(modules.map((module) => products.get(module)!))].map((p) => load(g, p)),
      cosine: g.initializer("rotary.cosine", tables.cosine),
      sine: g.initializer("rotary.sine", tables.sine),
    };
  };
}

function storeProduct(base: BaseModel, modules: readonly string[], files: WeightFiles): StoredProduct {
  const shapes = modules.map((module) => base.tensors.get(`${module}.weight`)!.shape); // checked against the configuration
  const rows = shapes.map(([count = 0]) => count);
  const height = rows.reduce((sum, count) => sum + count, 0);
  const [[, columns = 0] = []] = shapes;
  if (height % BLOCK_SIZE !== 0 || columns % BLOCK_SIZE !== 0) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${modules.join(" + ")}: baseDtype q8 expects multiples of ${BLOCK_SIZE} rows and columns, found ${height} x ${columns}; use fp32`,
    );
  }
  const values = concatenate(modules.map((module) => finiteFloats(base, `${module}.weight`)));
  const biases = modules.map((module) => `${module}.bias`).filter((name) => base.tensors.has(name));
  const bias = biases.length === 0 ? null : concatenate(biases.map((name) => finiteFloats(base, name)));
  return {
    modules,
    rows,
    columns,
    blocks: storeBlocks(files, values, height, columns),
    transposed: storeBlocks(files, transposed(values, height, columns), columns, height),
    bias: bias === null ? null : storeFloats(files, "float32", [height], bias),
  };
}

function storeBlocks(files: WeightFiles, values: Float32Array, rows: number, columns: number): StoredBlocks {
  const blocks = centredAt(roundToSymmetric8(values), BITS, CENTRE);
  const stored = storeLinear(files, [{ blocks, type: "float32" }], rows, columns);
  if (stored.kind !== "blocks") throw new Error("expected blocks to be stored as blocks");
  return stored;
}

/** [rows, columns] → [columns, rows] */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = values[row * columns + column]!;
    }
  }
  return turned;
}

function load(g: GraphBuilder, { modules, rows, columns, bias, ...product }: StoredProduct): LinearGroup {
  const name = modules.join("+");
  const inGraph = (part: string, { codes, scales }: StoredBlocks): BlockRows => ({
    codes: g.initializer(`${name}.${part}.codes`, codes),
    scales: g.initializer(`${name}.${part}.scales`, scales),
    mins: null,
    bits: BITS,
  });
  return {
    rows,
    weight: {
      kind: "frozen-blocks",
      rows: rows.reduce((sum, count) => sum + count, 0),
      columns,
      blocks: inGraph("weight", product.blocks),
      transposed: inGraph("transposed", product.transposed),
    },
    bias: bias === null ? null : g.initializer(`${name}.bias`, bias),
  };
}
