// Reads a Hugging Face config.json as a DecoderConfig: Llama, Mistral, Qwen2 and Qwen3. One error lists all fields that
// are wrong or not supported.

import { MagdiError } from "../base/errors.ts";
import { isObject } from "../base/files/json-file.ts";
import type { DecoderConfig, RopeScaling } from "../nn/decoder-config.ts";

export type ConfigJson = Readonly<Record<string, unknown>>;

const MAX_LAYERS = 1000;
/** The rotary tables have a row for each. */
const MAX_POSITIONS = 2 ** 20;

const FAMILIES = ["llama", "mistral", "qwen2", "qwen3"] as const;

/** Reads fields and collects the problems with them. */
class Fields {
  /** Missing or malformed fields. */
  readonly problems: string[] = [];
  /** Valid fields whose values are not implemented here. */
  readonly unsupported: string[] = [];
  readonly #json: ConfigJson;
  readonly #where: string;

  constructor(json: ConfigJson, where = "") {
    this.#json = json;
    this.#where = where;
  }

  has(key: string): boolean {
    return this.#json[key] !== undefined && this.#json[key] !== null;
  }

  /** A positive number; NaN when it is wrong, or missing with a fallback of NaN. */
  number(key: string, fallback?: number): number {
    const value = this.#json[key] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    if (this.has(key) || !Number.isNaN(fallback)) this.#expected(key, "a positive number", value);
    return Number.NaN;
  }

  /** A whole number from 1, or NaN. */
  size(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (Number.isNaN(value) || (Number.isInteger(value) && value <= 2 ** 31)) return value;
    this.#expected(key, "a whole number up to 2^31", value);
    return Number.NaN;
  }

  /** A whole number from 0. */
  count(key: string, fallback: number): number {
    const value = this.#json[key] ?? fallback;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
    this.#expected(key, "a whole number from 0", value);
    return fallback;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#json[key] ?? fallback;
    if (typeof value === "boolean") return value;
    this.#expected(key, "true or false", value);
    return fallback;
  }

  object(key: string): ConfigJson | null {
    const value = this.#json[key];
    if (value === undefined || value === null) return null;
    if (isObject(value)) return value;
    this.#expected(key, "an object", value);
    return null;
  }

  list(key: string): readonly unknown[] | null {
    const value = this.#json[key];
    if (value === undefined || value === null) return null;
    if (Array.isArray(value)) return value;
    this.#expected(key, "a list", value);
    return null;
  }

  #expected(key: string, expected: string, found: unknown): void {
    // JSON has no NaN, but the metadata of a GGUF file can hold one.
    const told = typeof found === "number" ? String(found) : (JSON.stringify(found) ?? "nothing");
    this.problems.push(`${this.#where}${key}: expected ${expected}, found ${told}`);
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
    const factors = (rope.list("factors") ?? []).filter((factor) => typeof factor === "number" && factor > 0);
    scaling = { kind, factors: factors.map(Number) };
  } else if (kind !== "default") {
    fields.unsupported.push(`${key}.rope_type ${JSON.stringify(kind)} (default, linear, llama3 are)`);
  }
  const partial = found?.partial_rotary_factor ?? json.partial_rotary_factor ?? 1;
  if (partial !== 1) fields.unsupported.push(`partial_rotary_factor ${JSON.stringify(partial)} (1 is)`);
  fields.problems.push(...rope.problems);
  return { theta, scaling };
}

function readWindows(fields: Fields, family: string, layers: number): (number | null)[] {
  const everywhere = (value: number | null): (number | null)[] => Array.from({ length: layers }, () => value);
  const optional = family.startsWith("qwen");
  if (family === "llama" || !fields.has("sliding_window")) return everywhere(null);
  if (optional && !fields.flag("use_sliding_window", false)) return everywhere(null);
  const window = fields.size("sliding_window");
  const kinds = fields.list("layer_types");
  if (kinds === null) {
    const firstWindowed = optional ? fields.count("max_window_layers", layers) : 0;
    return everywhere(null).map((_, layer) => (layer >= firstWindowed ? window : null));
  }
  if (kinds.length !== layers) {
    fields.problems.push(`layer_types: expected ${layers} entries, one a layer, found ${kinds.length}`);
  }
  for (const kind of new Set(kinds)) {
    if (kind === "sliding_attention" || kind === "full_attention") continue;
    fields.unsupported.push(`layer_types ${JSON.stringify(kind)} (sliding_attention, full_attention are)`);
  }
  return kinds.map((kind) => (kind === "sliding_attention" ? window : null));
}

/** @throws MAGDI_BAD_FILE, or MAGDI_UNSUPPORTED when every field is well-formed, listing every field that is wrong or
 * not supported. */
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
  const positions = fields.size("max_position_embeddings");
  for (const [key, value, most] of [
    ["num_hidden_layers", layers, MAX_LAYERS],
    ["max_position_embeddings", positions, MAX_POSITIONS],
  ] as const) {
    if (value > most) fields.unsupported.push(`${key} ${value} (up to ${most} are)`);
  }
  const heads = fields.size("num_attention_heads");
  const keyValueHeads = fields.size("num_key_value_heads", heads);
  const headSize = fields.size("head_dim", hiddenSize / heads);
  if (heads % keyValueHeads > 0) {
    fields.problems.push(
      `num_attention_heads: expected a multiple of ${keyValueHeads} key-value heads, found ${heads}`,
    );
  }
  if (headSize % 8 > 0) fields.unsupported.push(`head_dim ${headSize} (multiples of 8 are)`);
  const activation = json.hidden_act ?? "silu";
  if (activation !== "silu") fields.unsupported.push(`hidden_act ${JSON.stringify(activation)} (silu is)`);
  if (fields.has("quantization_config")) {
    fields.unsupported.push("quantization_config (the original checkpoint is, or a GGUF file)");
  }
  const { theta, scaling } = readRope(fields, json);
  if (scaling.kind === "factors" && Math.abs(2 * scaling.factors.length - headSize) > 0) {
    fields.problems.push(
      `rope factors: expected ${headSize / 2} positive numbers, found ${scaling.factors.length}`,
    );
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
    positions,
    ropeTheta: theta,
    ropeScaling: scaling,
    tiedHead: fields.flag("tie_word_embeddings", false),
    queryKeyNorm: family === "qwen3",
    queryKeyValueBias: attentionBias,
    outputBias: attentionBias && family !== "qwen2",
    mlpBias: family === "llama" && fields.flag("mlp_bias", false),
    windows: readWindows(fields, family, layers <= MAX_LAYERS ? layers : 0),
  };
  const { problems, unsupported } = fields;
  if (problems.length + unsupported.length === 0) return config;
  throw new MagdiError(
    problems.length > 0 ? "MAGDI_BAD_FILE" : "MAGDI_UNSUPPORTED",
    `${source}: ${[...problems, ...unsupported.map((what) => `not supported: ${what}`)].join("; ")}`,
  );
}
