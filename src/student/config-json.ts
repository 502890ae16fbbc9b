// Reads a Hugging Face config.json as a DecoderConfig: Llama, Mistral, Qwen2 and Qwen3. One error lists all fields that
// are wrong or not supported.

import { MagdiError } from "../base/errors.ts";
import type { JsonObject } from "../base/files/json-file.ts";
import { examine, unknownFieldsNote } from "../base/known-fields.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import { CONFIG_FIELDS } from "./config-json-fields.ts";
import { FieldReader } from "./field-reader.ts";
import { readRope } from "./rope-config.ts";

export type ConfigJson = JsonObject;

const MAX_LAYERS = 1000;
/** The rotary tables have a row for each. */
const MAX_POSITIONS = 2 ** 20;

const FAMILIES = ["llama", "mistral", "qwen2", "qwen3"] as const;
type Family = (typeof FAMILIES)[number];
const ARCHITECTURES: Readonly<Record<Family, string>> = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
};

/** Transformers' defaults where a config.json leaves a field out; null asks for what the other fields give. */
const DEFAULTS: Readonly<Record<Family, { readonly keyValueHeads?: number; readonly headSize?: number }>> = {
  llama: {},
  mistral: { keyValueHeads: 8 },
  qwen2: { keyValueHeads: 32 },
  qwen3: { keyValueHeads: 32, headSize: 128 },
};
const DEFAULT_WINDOW = 4096;
const DEFAULT_WINDOW_LAYERS = 28;

function readWindows(fields: FieldReader, family: Family, layers: number): (number | null)[] {
  const everywhere = (value: number | null): (number | null)[] => Array.from({ length: layers }, () => value);
  if (family === "llama") return everywhere(null);
  const isQwen = family !== "mistral";
  if (isQwen && !fields.flag("use_sliding_window", false))
    return ofLayerTypes(fields, family, everywhere(null), null);
  const isNone = fields.isGiven("sliding_window") && !fields.has("sliding_window");
  const window = isNone ? null : fields.size("sliding_window", DEFAULT_WINDOW);
  if (!isQwen) return ofLayerTypes(fields, family, everywhere(window), window);
  const first = fields.count("max_window_layers", DEFAULT_WINDOW_LAYERS);
  const windows = everywhere(null).map((_, layer) => (layer >= first ? window : null));
  return ofLayerTypes(fields, family, windows, window);
}

/** The windows by layer_types where these are given, else `windows`. */
function ofLayerTypes(
  fields: FieldReader,
  family: Family,
  windows: (number | null)[],
  window: number | null,
): (number | null)[] {
  const types = fields.list("layer_types");
  if (types === null) return windows;
  if (types.length !== windows.length) {
    fields.problems.push(
      `layer_types: expected ${windows.length} entries, one a layer, found ${types.length}`,
    );
  }
  for (const type of new Set(types)) {
    const isWindow = type === "sliding_attention";
    if (!isWindow && type !== "full_attention") {
      fields.unsupported.push(`layer_types ${JSON.stringify(type)} (sliding_attention, full_attention are)`);
    } else if (isWindow && window === null) {
      fields.problems.push('layer_types: expected a sliding window for "sliding_attention", found none');
    } else if (!isWindow && window !== null && family === "mistral") {
      fields.unsupported.push(
        'layer_types "full_attention" (Transformers gives every layer of mistral its window)',
      );
    }
  }
  return types.map((type) => (type === "sliding_attention" ? window : null));
}

/** What is read otherwise than one may expect, and fields that are not known: one sentence each, for the terminal and the
 * card. @throws as readConfigJson */
export const configNotes = (json: ConfigJson, source: string): readonly string[] => read(json, source).notes;

/** @throws MAGDI_BAD_FILE, or MAGDI_UNSUPPORTED when every field is well-formed, listing every field that is wrong or
 * not supported. */
export const readConfigJson = (json: ConfigJson, source: string): DecoderConfig => read(json, source).config;

function read(
  json: ConfigJson,
  source: string,
): { readonly config: DecoderConfig; readonly notes: readonly string[] } {
  const family = FAMILIES.find((name) => name === json.model_type);
  if (family === undefined) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${source}: model_type ${JSON.stringify(json.model_type) ?? "(missing)"} is not a supported family; ${FAMILIES.join(", ")} are`,
    );
  }
  const fields = new FieldReader(json);
  const { refused, unknown } = examine(json, CONFIG_FIELDS);
  fields.unsupported.push(...refused);
  fields.notes.push(...otherCode(json, family), ...unknownFieldsNote("config.json", unknown));
  const hiddenSize = fields.size("hidden_size");
  const layers = fields.size("num_hidden_layers");
  const maxPositions = fields.size("max_position_embeddings");
  const heads = fields.size("num_attention_heads");
  const unlessNull = (key: string, left: number | undefined, otherwise: number): number =>
    fields.isGiven(key) ? otherwise : (left ?? otherwise);
  const defaults = DEFAULTS[family];
  const keyValueHeads = fields.size(
    "num_key_value_heads",
    unlessNull("num_key_value_heads", defaults.keyValueHeads, heads),
  );
  const headSize = fields.size("head_dim", unlessNull("head_dim", defaults.headSize, hiddenSize / heads));
  if (heads % keyValueHeads > 0) {
    fields.problems.push(
      `num_attention_heads: expected a multiple of ${keyValueHeads} key-value heads, found ${heads}`,
    );
  }
  if (headSize % 8 > 0) fields.unsupported.push(`head_dim ${headSize} (multiples of 8 are)`);
  const windows = readWindows(fields, family, layers <= MAX_LAYERS ? layers : 0);
  const rope = readRope(fields, json, { family, layerTypes: layerTypes(windows), positions: maxPositions });
  const { scaling } = rope;
  for (const [key, value, most] of [
    ["num_hidden_layers", layers, MAX_LAYERS],
    ["a context of", rope.positions, MAX_POSITIONS],
  ] as const) {
    if (value > most) fields.unsupported.push(`${key} ${value} (up to ${most} are)`);
  }
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
    positions: rope.positions,
    ropeTheta: rope.theta,
    ropeScaling: scaling,
    tiedHead: fields.flag("tie_word_embeddings", false),
    queryKeyNorm: family === "qwen3",
    queryKeyValueBias: attentionBias,
    outputBias: attentionBias && family !== "qwen2",
    mlpBias: family === "llama" && fields.flag("mlp_bias", false),
    windows,
  };
  const { problems, unsupported, notes } = fields;
  if (problems.length + unsupported.length === 0) return { config, notes: [...new Set(notes)] };
  throw new MagdiError(
    problems.length > 0 ? "MAGDI_BAD_FILE" : "MAGDI_UNSUPPORTED",
    `${source}: ${[...problems, ...unsupported.map((what) => `not supported: ${what}`)].join("; ")}`,
  );
}

const layerTypes = (windows: readonly (number | null)[]): ReadonlySet<string> =>
  new Set(windows.map((window) => (window === null ? "full_attention" : "sliding_attention")));

/** Other code that the checkpoint was made for. */
function otherCode({ architectures, auto_map }: ConfigJson, family: Family): string[] {
  const own = ARCHITECTURES[family];
  const notes: string[] = [];
  if (Array.isArray(architectures) && architectures.length > 0 && !architectures.includes(own)) {
    notes.push(
      `config.json: architectures ${JSON.stringify(architectures)} is read as ${own}, by the model_type.`,
    );
  }
  if (auto_map !== undefined && auto_map !== null) {
    notes.push(
      `config.json: auto_map names code that comes with the checkpoint; it is read as ${own} instead.`,
    );
  }
  return notes;
}
