// A Hugging Face config.json to a DecoderConfig: families Llama, Mistral, Qwen2 and Qwen3, and everything that is
// not supported refused by name in one error.

import { MagdiError } from "../errors.ts";
import type { DecoderConfig, RopeScaling } from "../nn/decoder-config.ts";

export type ConfigJson = Readonly<Record<string, unknown>>;

const FAMILIES = ["llama", "mistral", "qwen2", "qwen3"] as const;

/** Reads fields and collects what is wrong with them. */
class Fields {
  readonly problems: string[] = [];
  readonly #json: ConfigJson;
  readonly #where: string;

  constructor(json: ConfigJson, where = "") {
    this.#json = json;
    this.#where = where;
  }

  has(key: string): boolean {
    return this.#json[key] !== undefined && this.#json[key] !== null;
  }

  number(key: string, fallback?: number): number {
    const value = this.#json[key] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    this.problems.push(
      `${this.#where}${key}: expected a positive number, found ${JSON.stringify(value) ?? "nothing"}`,
    );
    return 1;
  }

  size(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (Number.isInteger(value) && value <= 2 ** 31) return value;
    this.problems.push(`${this.#where}${key}: expected a whole number, found ${value}`);
    return 1;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#json[key] ?? fallback;
    if (typeof value === "boolean") return value;
    this.problems.push(`${this.#where}${key}: expected true or false, found ${JSON.stringify(value)}`);
    return fallback;
  }

  object(key: string): ConfigJson | null {
    const value = this.#json[key];
    if (value === undefined || value === null) return null;
    if (typeof value === "object" && !Array.isArray(value)) return value as ConfigJson; // a JSON object
    this.problems.push(`${this.#where}${key}: expected an object, found ${JSON.stringify(value)}`);
    return null;
  }

  raw(key: string): unknown {
    return this.#json[key];
  }
}

/** rope_parameters (Transformers 5) or rope_theta and rope_scaling (before). */
function readRope(fields: Fields, json: ConfigJson): { theta: number; scaling: RopeScaling } {
  const key = fields.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  const found = fields.object(key);
  const rope = new Fields(found ?? {}, `${key}.`);
  const theta = rope.has("rope_theta") ? rope.number("rope_theta") : fields.number("rope_theta", 10000);
  const kind = found?.rope_type ?? found?.type ?? "default";
  let scaling: RopeScaling = { kind: "none" };
  if (kind === "linear") scaling = { kind, factor: rope.number("factor") };
  else if (kind === "llama3") {
    scaling = {
      kind,
      factor: rope.number("factor"),
      lowFrequencyFactor: rope.number("low_freq_factor"),
      highFrequencyFactor: rope.number("high_freq_factor"),
      originalPositions: rope.number("original_max_position_embeddings"),
    };
  } else if (kind === "factors") {
    const factors = found?.factors;
    if (Array.isArray(factors) && factors.every((value) => typeof value === "number"))
      scaling = { kind, factors };
    else fields.problems.push(`${key}.factors: expected a list of numbers`);
  } else if (kind !== "default") {
    fields.problems.push(
      `${key}.rope_type: ${JSON.stringify(kind)} is not supported (default, linear, llama3 are)`,
    );
  }
  const partial = found?.partial_rotary_factor ?? json.partial_rotary_factor ?? 1;
  if (partial !== 1)
    fields.problems.push(`partial_rotary_factor: ${JSON.stringify(partial)} is not supported (1 is)`);
  fields.problems.push(...rope.problems);
  return { theta, scaling };
}

function readWindows(fields: Fields, json: ConfigJson, family: string, layers: number): (number | null)[] {
  const everywhere = (value: number | null): (number | null)[] => Array.from({ length: layers }, () => value);
  const optional = family.startsWith("qwen");
  if (family === "llama" || !fields.has("sliding_window")) return everywhere(null);
  if (optional && !fields.flag("use_sliding_window", false)) return everywhere(null);
  const window = fields.size("sliding_window");
  const kinds = json.layer_types;
  if (Array.isArray(kinds)) {
    if (kinds.length !== layers) {
      fields.problems.push(`layer_types: expected ${layers} entries, one a layer, found ${kinds.length}`);
    }
    const unknown = kinds.find((kind) => kind !== "sliding_attention" && kind !== "full_attention");
    if (unknown !== undefined)
      fields.problems.push(`layer_types: ${JSON.stringify(unknown)} is not supported`);
    return kinds.map((kind) => (kind === "sliding_attention" ? window : null));
  }
  const firstWindowed = optional ? Number(json.max_window_layers ?? layers) : 0;
  return everywhere(null).map((_, layer) => (layer >= firstWindowed ? window : null));
}

/** @throws MAGDI_UNSUPPORTED or MAGDI_BAD_FILE, one error that lists every field that is wrong. */
export function readConfigJson(json: ConfigJson, source: string): DecoderConfig {
  const family = FAMILIES.find((name) => name === json.model_type);
  if (family === undefined) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${source}: model_type ${JSON.stringify(json.model_type) ?? "(missing)"} is not a supported family; ${FAMILIES.join(", ")} are`,
    );
  }
  const fields = new Fields(json);
  const hiddenSize = fields.size("hidden_size");
  const layers = fields.size("num_hidden_layers");
  if (layers > 1000) fields.problems.push(`num_hidden_layers: expected at most 1000, found ${layers}`);
  const heads = fields.size("num_attention_heads");
  const keyValueHeads = fields.size("num_key_value_heads", heads);
  const headSize = fields.size("head_dim", hiddenSize / heads);
  if (heads % keyValueHeads !== 0) {
    fields.problems.push(
      `num_attention_heads: ${heads} is no multiple of num_key_value_heads ${keyValueHeads}`,
    );
  }
  if (headSize % 8 !== 0) {
    fields.problems.push(`head_dim: ONNX Runtime's attention takes multiples of 8, found ${headSize}`);
  }
  const activation = json.hidden_act ?? "silu";
  if (activation !== "silu") {
    fields.problems.push(`hidden_act: ${JSON.stringify(activation)} is not supported (silu is)`);
  }
  if (fields.has("quantization_config")) {
    fields.problems.push(
      "quantization_config: quantised checkpoints are not read; use the original or a GGUF",
    );
  }
  const { theta, scaling } = readRope(fields, json);
  if (scaling.kind === "factors" && scaling.factors.length !== headSize / 2) {
    fields.problems.push(`rope factors: expected ${headSize / 2}, found ${scaling.factors.length}`);
  }
  const attentionBias = family === "qwen2" || (family !== "mistral" && fields.flag("attention_bias", false));
  const config: DecoderConfig = {
    vocabSize: fields.size("vocab_size"),
    hiddenSize,
    intermediateSize: fields.size("intermediate_size"),
    layers,
    heads,
    keyValueHeads,
    headSize,
    normEpsilon: fields.number("rms_norm_eps", 1e-6),
    positions: fields.size("max_position_embeddings"),
    ropeTheta: theta,
    ropeScaling: scaling,
    tiedHead: fields.flag("tie_word_embeddings", false),
    queryKeyNorm: family === "qwen3",
    queryKeyValueBias: attentionBias,
    outputBias: attentionBias && family !== "qwen2",
    mlpBias: family === "llama" && fields.flag("mlp_bias", false),
    windows: readWindows(fields, json, family, layers <= 1000 ? layers : 1),
  };
  if (fields.problems.length > 0) {
    throw new MagdiError("MAGDI_UNSUPPORTED", `${source}: ${fields.problems.join("; ")}`);
  }
  return config;
}
