// A base model's weights as written in one dtype, and how a graph loads them. Modules with the same input and format
// are stored as one weight (fused), so that they run as one product.

import type { DecoderWeights, LayerWeights } from "../nn/decoder-weights.ts";
import type { LinearGroup } from "../nn/linear.ts";
import { rotaryTables } from "../nn/rope.ts";
import type { FloatType, TensorData } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { type BaseModel, type BaseTensor, finiteFloats } from "./base-model.ts";
import { type Dtype, floatsOf } from "./dtype.ts";
import { type ErrorFeedback, errorFeedback } from "./gptq.ts";
import type { LayerInputs, ObservedInput } from "./gptq-inputs.ts";
import {
  concatenate,
  formatOf,
  loadLinear,
  type StoredLinear,
  storeFloats,
  storeLinear,
  type Values,
  valuesFor,
} from "./stored-linear.ts";
import type { WeightFiles } from "./weight-files.ts";

interface StoredGroup {
  /** Full names of the fused modules, in the order of their rows. */
  readonly modules: readonly string[];
  readonly rows: readonly number[];
  readonly weight: StoredLinear;
  readonly bias: TensorData | null;
}

interface Writing {
  readonly base: BaseModel;
  readonly dtype: Dtype;
  readonly files: WeightFiles;
}

export interface StoringOptions {
  /** For GPTQ; null for plain rounding. */
  readonly inputs: LayerInputs | null;
  readonly onProgress: (done: number, total: number) => void;
}

export class StoredWeights {
  readonly #floats: FloatType;
  readonly #groups = new Map<string, StoredGroup>();
  readonly #vectors = new Map<string, TensorData>();
  readonly #embedding: StoredLinear;
  #head: StoredLinear | null = null;
  #tables: { readonly cosine: TensorData; readonly sine: TensorData } | null = null;

  private constructor(floats: FloatType, embedding: StoredLinear) {
    this.#floats = floats;
    this.#embedding = embedding;
  }

  /** Writes every tensor of `base`, in the order in which a step reads them. */
  static async write(
    base: BaseModel,
    dtype: Dtype,
    files: WeightFiles,
    { inputs, onProgress }: StoringOptions,
  ): Promise<StoredWeights> {
    const { config } = base;
    const floats = floatsOf(dtype);
    const writing = { base, dtype, files };
    const total = config.layers + 2;
    const vocabulary = async (name: string): Promise<StoredLinear> => {
      const values = await valuesFor(base, name, dtype, "vocabulary");
      return storeLinear(files, [values], config.vocabSize, config.hiddenSize);
    };
    const stored = new StoredWeights(floats, await vocabulary("model.embed_tokens.weight"));
    onProgress(1, total);
    for (let layer = 0; layer < config.layers; layer++) {
      await stored.#storeLayer(writing, layer, inputs);
      // Float16 graphs are for other devices, so here the next layer's inputs come from unquantised weights.
      const written = { load: (g: GraphBuilder) => stored.loadLayers(g), folder: files.folder };
      await inputs?.advance(layer, floats === "float32" ? written : null);
      onProgress(layer + 2, total);
    }
    stored.#storeVector(writing, "model.norm.weight");
    stored.#head = config.tiedHead ? null : await vocabulary("lm_head.weight");
    const tables = rotaryTables(config);
    const shape = [config.positions, config.headSize / 2];
    stored.#tables = {
      cosine: storeFloats(files, floats, shape, tables.cosine),
      sine: storeFloats(files, floats, shape, tables.sine),
    };
    onProgress(total, total);
    return stored;
  }

  #storeVector({ base, files }: Writing, name: string): void {
    const values = finiteFloats(base, name, this.#floats);
    this.#vectors.set(name, storeFloats(files, this.#floats, [values.length], values));
  }

  async #storeLayer(writing: Writing, layer: number, inputs: LayerInputs | null): Promise<void> {
    const prefix = `model.layers.${layer}`;
    const observed = await inputs?.observe(layer);
    const group = async (parent: string, modules: readonly string[]): Promise<void> => {
      const names = modules.map((module) => `${prefix}.${parent}.${module}`);
      await this.#store(writing, names, observed?.get(names[0]!) ?? null);
    };
    this.#storeVector(writing, `${prefix}.input_layernorm.weight`);
    await group("self_attn", ["q_proj", "k_proj", "v_proj"]);
    if (writing.base.config.queryKeyNorm) {
      this.#storeVector(writing, `${prefix}.self_attn.q_norm.weight`);
      this.#storeVector(writing, `${prefix}.self_attn.k_norm.weight`);
    }
    await group("self_attn", ["o_proj"]);
    this.#storeVector(writing, `${prefix}.post_attention_layernorm.weight`);
    await group("mlp", ["gate_proj", "up_proj"]);
    await group("mlp", ["down_proj"]);
  }

  /** `observed` is the modules' common input. */
  async #store(
    { base, dtype, files }: Writing,
    modules: readonly string[],
    observed: ObservedInput | null,
  ): Promise<void> {
    let made: Promise<ErrorFeedback> | null = null;
    const compensation =
      observed === null
        ? null
        : {
            product: observed.product,
            feedback: (): Promise<ErrorFeedback> => {
              made ??= errorFeedback(observed.gram, observed.columns, observed.product);
              return made;
            },
          };
    const parts: { module: string; tensor: BaseTensor; values: Values }[] = [];
    for (const module of modules) {
      const name = `${module}.weight`;
      const tensor = base.tensors.get(name)!; // checked against the configuration
      parts.push({ module, tensor, values: await valuesFor(base, name, dtype, "linear", compensation) });
    }
    for (let start = 0; start < parts.length; ) {
      const format = formatOf(parts[start]!.values);
      let end = start + 1;
      while (end < parts.length && formatOf(parts[end]!.values) === format) end++;
      const run = parts.slice(start, end);
      const rows = run.map((part) => part.tensor.shape[0]!);
      const totalRows = rows.reduce((sum, count) => sum + count, 0);
      const biases = run.map(({ module }) => `${module}.bias`).filter((name) => base.tensors.has(name));
      // By the configuration, all modules of a group have a bias or none has.
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

  /** The weights for a graph; each is added to it on first use. */
  load(g: GraphBuilder): DecoderWeights {
    const embedding = loadLinear(g, "model.embed_tokens", this.#embedding);
    const { cosine, sine } = this.#tables!; // set before write() returns
    return {
      floats: this.#floats,
      ...this.loadLayers(g),
      embedding,
      head: this.#head === null ? embedding : loadLinear(g, "lm_head", this.#head),
      cosine: g.initializer("rotary.cosine", cosine),
      sine: g.initializer("rotary.sine", sine),
    };
  }

  /** The layers' weights alone. */
  loadLayers(g: GraphBuilder): LayerWeights {
    return {
      linears: (modules) =>
        [...new Set(modules.map((module) => this.#groups.get(module)!))].map((group) => loadGroup(g, group)),
      vector: (name) => g.initializer(name, this.#vectors.get(name)!),
    };
  }

  /** Bytes of modules' weights. Modules that are stored as one weight are given together. */
  bytesOf(modules: readonly string[]): number {
    const groups = new Set(modules.map((module) => this.#groups.get(module)!)); // every module is in one
    return [...groups].reduce((sum, { weight }) => sum + dataBytes(weight), 0);
  }

  /** Number of weights by format, for the manifest: of the vocabulary, which is no module of a layer, and of some modules. */
  formats(includes: (module: string) => boolean = () => true): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    const groups = [...new Set(this.#groups.values())].filter(({ modules }) => modules.some(includes));
    const vocabulary = includes("") ? [this.#embedding, ...(this.#head ? [this.#head] : [])] : [];
    for (const weight of [...vocabulary, ...groups.map(({ weight }) => weight)]) {
      const minimum = weight.kind === "blocks" && weight.mins !== null ? " with block minimums" : "";
      const name = weight.kind === "float" ? weight.floats : `${weight.bits} bits${minimum}`;
      counts.set(name, (counts.get(name) ?? 0) + weight.rows * weight.columns);
    }
    return counts;
  }
}

function dataBytes(weight: StoredLinear): number {
  const parts = weight.kind === "float" ? [weight.weight] : [weight.codes, weight.scales, weight.mins];
  return parts.reduce((sum, tensor) => sum + (tensor?.data.kind === "external" ? tensor.data.length : 0), 0);
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
