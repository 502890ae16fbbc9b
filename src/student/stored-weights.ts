// A base model's weights written in one dtype: which tensor became which stored parts, and how a graph loads them.
// Neighbouring modules of one format are stored as one weight, so that they run as one product.

import type { DecoderWeights } from "../nn/decoder-weights.ts";
import type { LinearGroup } from "../nn/linear.ts";
import { rotaryTables } from "../nn/rope.ts";
import type { FloatType, TensorData } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { type BaseModel, finiteFloats } from "./base-model.ts";
import { type Dtype, floatsOf } from "./dtype.ts";
import {
  concatenate,
  formatOf,
  loadLinear,
  loadVocabulary,
  type StoredLinear,
  storeFloats,
  storeLinear,
  valuesFor,
} from "./stored-linear.ts";
import type { WeightFiles } from "./weight-files.ts";

interface StoredGroup {
  /** Full module names, whose rows follow each other. */
  readonly modules: readonly string[];
  readonly rows: readonly number[];
  readonly weight: StoredLinear;
  readonly bias: TensorData | null;
}

export class StoredWeights {
  readonly #floats: FloatType;
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
    const floats = floatsOf(dtype);
    this.#floats = floats;
    const total = config.layers + 2;
    const vocabulary = (name: string): StoredLinear =>
      storeLinear(files, [valuesFor(base, name, dtype, "vocabulary")], config.vocabSize, config.hiddenSize);
    this.#embedding = vocabulary("model.embed_tokens.weight");
    onProgress(1, total);
    const vector = (name: string): void => {
      const values = finiteFloats(base, name, floats);
      this.#vectors.set(name, storeFloats(files, floats, [values.length], values));
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
      cosine: storeFloats(files, floats, shape, tables.cosine),
      sine: storeFloats(files, floats, shape, tables.sine),
    };
    onProgress(total, total);
  }

  #store(base: BaseModel, dtype: Dtype, files: WeightFiles, modules: readonly string[]): void {
    const parts = modules.map((module) => {
      const tensor = base.tensors.get(`${module}.weight`)!; // checked against the configuration
      return { module, tensor, values: valuesFor(base, `${module}.weight`, dtype, "linear") };
    });
    for (let start = 0; start < parts.length; ) {
      const format = formatOf(parts[start]!.values);
      let end = start + 1;
      while (end < parts.length && formatOf(parts[end]!.values) === format) end++;
      const run = parts.slice(start, end);
      const rows = run.map((part) => part.tensor.shape[0]!);
      const totalRows = rows.reduce((sum, count) => sum + count, 0);
      const biases = run.map(({ module }) => `${module}.bias`).filter((name) => base.tensors.has(name));
      // All modules of a group have one, or none has: the configuration says so.
      const bias =
        biases.length > 0 ? concatenate(biases.map((name) => finiteFloats(base, name, this.#floats))) : null;
      const group: StoredGroup = {
        modules: run.map((part) => part.module),
        rows,
        weight: storeLinear(
          files,
          run.map((part) => part.values),
          totalRows,
          parts[start]!.tensor.shape[1]!,
        ),
        bias: bias === null ? null : storeFloats(files, this.#floats, [totalRows], bias),
      };
      for (const part of run) this.#groups.set(part.module, group);
      start = end;
    }
  }

  /** Puts the weights into a graph; each is added when a layer first asks for it. */
  load(g: GraphBuilder): DecoderWeights {
    const embedding = loadVocabulary(g, "model.embed_tokens", this.#embedding);
    return {
      floats: this.#floats,
      linears: (modules) =>
        [...new Set(modules.map((module) => this.#groups.get(module)!))].map((group) => loadGroup(g, group)),
      vector: (name) => g.initializer(name, this.#vectors.get(name)!),
      embedding,
      head: this.#head === null ? embedding : loadVocabulary(g, "lm_head", this.#head),
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
      const name =
        weight.kind === "float"
          ? weight.floats
          : weight.kind === "rows"
            ? "8 bits by row"
            : `${weight.bits} bits${minimum}`;
      counts.set(name, (counts.get(name) ?? 0) + weight.rows * weight.columns);
    }
    return counts;
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
