// A base model's weights written in one dtype: which tensor became which stored parts, and how a graph loads them.
// Neighbouring modules of one format are stored as one weight, so that they run as one product.

import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { DecoderWeights } from "../nn/decoder-weights.ts";
import type { LinearGroup, LinearWeight } from "../nn/linear.ts";
import { rotaryTables } from "../nn/rope.ts";
import type { TensorData, Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import type { BlockGrid } from "../tensor/ggml-blocks.ts";
import { encodeFloat16 } from "../tensor/half.ts";
import type { BaseModel, BaseTensor } from "./base-model.ts";
import type { Dtype } from "./dtype.ts";
import {
  BLOCK_SIZE,
  fitsFloat16,
  isSymmetric,
  packCodes,
  roundToAffine4,
  roundToSymmetric8,
  widenTo8,
} from "./quantise.ts";
import type { WeightFiles } from "./weight-files.ts";

type StoredLinear =
  | { readonly kind: "float"; readonly rows: number; readonly columns: number; readonly weight: TensorData }
  | {
      readonly kind: "blocks";
      readonly bits: 4 | 8;
      readonly rows: number;
      readonly columns: number;
      readonly codes: TensorData;
      readonly scales: TensorData;
      readonly mins: TensorData | null;
    };

interface StoredGroup {
  /** Full module names, whose rows follow each other. */
  readonly modules: readonly string[];
  readonly rows: readonly number[];
  readonly weight: StoredLinear;
  readonly bias: TensorData | null;
}

type Values =
  | { readonly kind: "float"; readonly values: Float32Array }
  | { readonly kind: "blocks"; readonly grid: BlockGrid };

/** What a tensor is stored as: its own grid where the source has one, whatever that needs in bits, else rounded;
 * rows that are no multiple of a block stay in float32. */
function valuesFor(tensor: BaseTensor, dtype: Dtype, role: "linear" | "vocabulary"): Values {
  const columns = tensor.shape[1] ?? 1;
  if (dtype === "fp32" || columns % BLOCK_SIZE !== 0) return { kind: "float", values: tensor.readFloat32() };
  const grid = tensor.readGrid();
  // The vocabulary is looked up by row too, which has no place for minimums.
  if (role === "vocabulary" && (grid === null || grid.bits !== 8 || !isSymmetric(grid))) {
    return { kind: "blocks", grid: roundToSymmetric8(tensor.readFloat32()) };
  }
  if (grid !== null) return { kind: "blocks", grid: dtype === "q8" ? widenTo8(grid) : grid };
  const finer = tensor.sourceBits !== null && tensor.sourceBits > 4;
  const round = dtype === "q8" || finer ? roundToSymmetric8 : roundToAffine4;
  return { kind: "blocks", grid: round(tensor.readFloat32()) };
}

const formatOf = (values: Values): string =>
  values.kind === "float" ? "float" : `${values.grid.bits}${isSymmetric(values.grid) ? "" : "+min"}`;

function concatenate<T extends Float32Array | Uint8Array>(parts: readonly T[]): T {
  const [first] = parts as readonly [T, ...T[]]; // never called with none
  if (parts.length === 1) return first;
  const Constructor = first.constructor as new (length: number) => T; // the parts' own class
  const whole = new Constructor(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** float16 where that is exact, which halves the scales' bytes; graphs widen it when they are loaded. */
function storeScales(files: WeightFiles, shape: readonly number[], values: Float32Array): TensorData {
  if (fitsFloat16(values)) return files.add("float16", shape, encodeFloat16(values));
  return files.add("float32", shape, values);
}

function storeLinear(
  files: WeightFiles,
  parts: readonly Values[],
  rows: number,
  columns: number,
): StoredLinear {
  if (parts[0]?.kind === "float") {
    const values = concatenate(parts.map((part) => (part as Extract<Values, { kind: "float" }>).values)); // one format a group
    return { kind: "float", rows, columns, weight: files.add("float32", [rows, columns], values) };
  }
  const grids = parts.map((part) => (part as Extract<Values, { kind: "blocks" }>).grid); // one format a group
  const bits = grids[0]!.bits;
  const blocks = columns / BLOCK_SIZE;
  const codes = concatenate(grids.map(packCodes));
  return {
    kind: "blocks",
    bits,
    rows,
    columns,
    codes: files.add("uint8", [rows, blocks, (BLOCK_SIZE * bits) / 8], codes),
    scales: storeScales(files, [rows, blocks], concatenate(grids.map((grid) => grid.scales))),
    mins: isSymmetric(grids[0]!)
      ? null
      : storeScales(files, [rows, blocks], concatenate(grids.map((grid) => grid.mins))),
  };
}

export class StoredWeights {
  readonly #config: DecoderConfig;
  readonly #groups = new Map<string, StoredGroup>();
  readonly #vectors = new Map<string, TensorData>();
  readonly #embedding: StoredLinear;
  readonly #head: StoredLinear | null;
  readonly #tables: { readonly cosine: TensorData; readonly sine: TensorData };

  /** Writes every tensor of `base`, in the order in which a step reads them. */
  constructor(
    base: BaseModel,
    dtype: Dtype,
    files: WeightFiles,
    onProgress: (done: number, total: number) => void,
  ) {
    const { config } = base;
    this.#config = config;
    const total = config.layers + 2;
    const tensor = (name: string): BaseTensor => base.tensors.get(name)!; // checked against the configuration
    const vocabulary = (name: string): StoredLinear =>
      storeLinear(files, [valuesFor(tensor(name), dtype, "vocabulary")], config.vocabSize, config.hiddenSize);
    this.#embedding = vocabulary("model.embed_tokens.weight");
    onProgress(1, total);
    const vector = (name: string): void => {
      const values = tensor(name).readFloat32();
      this.#vectors.set(name, files.add("float32", [values.length], values));
    };
    for (let layer = 0; layer < config.layers; layer++) {
      const prefix = `model.layers.${layer}`;
      vector(`${prefix}.input_layernorm.weight`);
      this.#store(
        base,
        dtype,
        files,
        ["q_proj", "k_proj", "v_proj"].map((name) => `${prefix}.self_attn.${name}`),
      );
      if (config.queryKeyNorm) {
        vector(`${prefix}.self_attn.q_norm.weight`);
        vector(`${prefix}.self_attn.k_norm.weight`);
      }
      this.#store(base, dtype, files, [`${prefix}.self_attn.o_proj`]);
      vector(`${prefix}.post_attention_layernorm.weight`);
      this.#store(
        base,
        dtype,
        files,
        ["gate_proj", "up_proj"].map((name) => `${prefix}.mlp.${name}`),
      );
      this.#store(base, dtype, files, [`${prefix}.mlp.down_proj`]);
      onProgress(layer + 2, total);
    }
    vector("model.norm.weight");
    this.#head = config.tiedHead ? null : vocabulary("lm_head.weight");
    const tables = rotaryTables(config);
    const shape = [config.positions, config.headSize / 2];
    this.#tables = {
      cosine: files.add("float32", shape, tables.cosine),
      sine: files.add("float32", shape, tables.sine),
    };
    onProgress(total, total);
  }

  #store(base: BaseModel, dtype: Dtype, files: WeightFiles, modules: readonly string[]): void {
    const parts = modules.map((module) => {
      const tensor = base.tensors.get(`${module}.weight`)!; // checked against the configuration
      return { module, tensor, values: valuesFor(tensor, dtype, "linear") };
    });
    for (let start = 0; start < parts.length; ) {
      const format = formatOf(parts[start]!.values);
      let end = start + 1;
      while (end < parts.length && formatOf(parts[end]!.values) === format) end++;
      const run = parts.slice(start, end);
      const rows = run.map((part) => part.tensor.shape[0]!);
      const totalRows = rows.reduce((sum, count) => sum + count, 0);
      const biases = run.map((part) => base.tensors.get(`${part.module}.bias`)?.readFloat32() ?? null);
      const bias = biases.every((values) => values !== null) ? concatenate(biases) : null;
      const group: StoredGroup = {
        modules: run.map((part) => part.module),
        rows,
        weight: storeLinear(
          files,
          run.map((part) => part.values),
          totalRows,
          parts[start]!.tensor.shape[1]!,
        ),
        bias: bias === null ? null : files.add("float32", [totalRows], bias),
      };
      for (const part of run) this.#groups.set(part.module, group);
      start = end;
    }
  }

  /** Puts the weights into a graph; each is added when a layer first asks for it. */
  load(g: GraphBuilder): DecoderWeights {
    const embedding = loadLinear(g, "model.embed_tokens", this.#embedding);
    return {
      linears: (modules) =>
        [...new Set(modules.map((module) => this.#groups.get(module)!))].map((group) => loadGroup(g, group)),
      vector: (name) => g.initializer(name, this.#vectors.get(name)!),
      embedding,
      head: this.#head === null ? embedding : loadLinear(g, "lm_head", this.#head),
      cosine: g.initializer("rotary.cosine", this.#tables.cosine),
      sine: g.initializer("rotary.sine", this.#tables.sine),
    };
  }

  /** Modules whose weights stayed in floats, or are finer than asked, for the model card. */
  formats(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    const weights = [...new Set(this.#groups.values())].map((group) => group.weight);
    for (const weight of [this.#embedding, ...(this.#head ? [this.#head] : []), ...weights]) {
      const minimum = weight.kind === "blocks" && weight.mins !== null ? " with block minimums" : "";
      const name = weight.kind === "float" ? "float32" : `${weight.bits} bits${minimum}`;
      counts.set(name, (counts.get(name) ?? 0) + weight.rows * weight.columns);
    }
    return counts;
  }

  get config(): DecoderConfig {
    return this.#config;
  }
}

function loadGroup(g: GraphBuilder, group: StoredGroup): LinearGroup {
  const [first = ""] = group.modules;
  const parent = first.slice(0, first.lastIndexOf(".") + 1);
  const name = parent + group.modules.map((module) => module.slice(parent.length)).join("+");
  return {
    rows: group.rows,
    weight: loadLinear(g, name, group.weight),
    bias: group.bias === null ? null : g.initializer(`${name}.bias`, group.bias),
  };
}

/** Stored float16 scales as the float32 constant that products take; ONNX Runtime folds the cast when it loads. */
function widened(g: GraphBuilder, name: Value, tensor: TensorData): Value {
  const stored = g.initializer(name, tensor);
  return tensor.type === "float32" ? stored : op.cast(g, stored, "float32");
}

function loadLinear(g: GraphBuilder, name: string, weight: StoredLinear): LinearWeight {
  if (weight.kind === "float") {
    const { rows, columns } = weight;
    return { kind: "float", weight: g.initializer(`${name}.weight`, weight.weight), rows, columns };
  }
  const { bits, rows, columns, codes, mins } = weight;
  const scales = widened(g, `${name}.weight.scales`, weight.scales);
  const zeroCode = bits === 4 ? 8 : 128;
  return {
    kind: "blocks",
    bits,
    rows,
    columns,
    blockSize: BLOCK_SIZE,
    codes: g.initializer(`${name}.weight.codes`, codes),
    codeRows: () =>
      g.initializer(`${name}.weight.code_rows`, { ...codes, shape: [rows, (columns * bits) / 8] }),
    scales,
    offsets:
      mins === null
        ? null
        : op.add(g, widened(g, `${name}.weight.mins`, mins), op.mul(g, scales, g.float(zeroCode))),
  };
}
