// Writes a decoder's configuration as the metadata of a GGUF file, under the keys that llama.cpp's converter writes for the
// family. What llama.cpp would compute otherwise is refused by name.

import { MagdiError } from "../base/errors.ts";
import type { DecoderConfig, RopeScaling } from "../nn/decoder-config.ts";
import { inverseFrequencies } from "../nn/rope.ts";
import type { GgufField } from "../tensor/gguf-writer.ts";
import type { BaseModel } from "./base-model.ts";
import type { Provenance } from "./manifest.ts";

/** By model_type: llama.cpp has Mistral's models as Llama's. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  llama: "llama",
  mistral: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
};

const QUANTISATION_VERSION = 2;

const u32 = (value: number): GgufField => ({ type: "u32", value });
const f32 = (value: number): GgufField => ({ type: "f32", value });
const text = (value: string): GgufField => ({ type: "string", value });

/** @throws MAGDI_UNSUPPORTED for what the family has in llama.cpp no place for */
export function ggufArchitecture({ source, config, configJson }: BaseModel): string {
  const architecture = ARCHITECTURES[String(configJson.model_type)];
  const refuse = (what: string): MagdiError =>
    new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${source}: ${what}; llama.cpp would compute something else: export with --to hf`,
    );
  if (architecture === undefined) {
    throw refuse(`model_type ${JSON.stringify(configJson.model_type)} has no GGUF architecture here`);
  }
  const scaling = config.ropeScaling;
  if (scaling.kind === "yarn" && !(scaling.truncate && isUsualAttention(scaling))) {
    throw refuse(
      "yarn with truncate false, or an attention_factor of its own, is not what GGUF files can say",
    );
  }
  if (architecture === "llama") return architecture;
  if (scaling.kind === "llama3" || scaling.kind === "factors") {
    throw refuse(`rope scaling ${scaling.kind} is not what ${architecture} files can say`);
  }
  if (config.outputBias || config.mlpBias || (architecture === "qwen3" && config.queryKeyValueBias)) {
    throw refuse(`biases are not what ${architecture} files can say`);
  }
  return architecture;
}

/** YaRN's own, which llama.cpp computes. */
function isUsualAttention({ factor, attentionFactor }: Extract<RopeScaling, { kind: "yarn" }>): boolean {
  return Math.abs(attentionFactor - (0.1 * Math.log(factor) + 1)) < 1e-6;
}

/**
 * The tokens up to which llama.cpp, which attends to everything in these families, computes what the model does: the
 * positions, or a sliding window.
 */
export function ggufContextLength({ positions, windows }: DecoderConfig): number {
  return windows.reduce<number>((least, window) => Math.min(least, window ?? least), positions);
}

/** All metadata but the tokenizer's. `fileType` is llama.cpp's LLAMA_FTYPE. */
export function ggufFields(
  { config, licence }: BaseModel,
  architecture: string,
  provenance: Provenance,
  fileType: number,
): [string, GgufField][] {
  const of = (key: string, field: GgufField): [string, GgufField] => [`${architecture}.${key}`, field];
  const scaling = config.ropeScaling;
  return [
    ["general.architecture", text(architecture)],
    ["general.type", text("model")],
    ["general.name", text(provenance.name)],
    ["general.size_label", text(sizeLabel(provenance.parameters))],
    ...(licence === null ? [] : [["general.license", text(licence)] as [string, GgufField]]),
    ["general.file_type", u32(fileType)],
    ["general.quantization_version", u32(QUANTISATION_VERSION)],
    of("vocab_size", u32(config.vocabSize)),
    of("block_count", u32(config.layers)),
    of("context_length", u32(ggufContextLength(config))),
    of("embedding_length", u32(config.hiddenSize)),
    of("feed_forward_length", u32(config.intermediateSize)),
    of("attention.head_count", u32(config.heads)),
    of("attention.head_count_kv", u32(config.keyValueHeads)),
    of("attention.key_length", u32(config.headSize)),
    of("attention.value_length", u32(config.headSize)),
    of("attention.layer_norm_rms_epsilon", f32(config.normEpsilon)),
    of("rope.dimension_count", u32(config.headSize)),
    of("rope.freq_base", f32(config.ropeTheta)),
    ...(scaling.kind === "linear" || scaling.kind === "yarn"
      ? [of("rope.scaling.type", text(scaling.kind)), of("rope.scaling.factor", f32(scaling.factor))]
      : []),
    ...(scaling.kind === "yarn"
      ? [
          of("rope.scaling.original_context_length", u32(scaling.originalPositions)),
          of("rope.scaling.yarn_beta_fast", f32(scaling.betaFast)),
          of("rope.scaling.yarn_beta_slow", f32(scaling.betaSlow)),
        ]
      : []),
  ];
}

/** What each rotary frequency is divided by [headSize/2], for rope_freqs.weight; null where none is. */
export function ropeFactors(config: DecoderConfig): Float32Array | null {
  const { kind } = config.ropeScaling;
  if (kind !== "llama3" && kind !== "factors") return null;
  const plain = inverseFrequencies({ ...config, ropeScaling: { kind: "none" } });
  const scaled = inverseFrequencies(config);
  return plain.map((frequency, index) => frequency / scaled[index]!);
}

/** Such as 135M and 1.2B. */
function sizeLabel(parameters: number): string {
  const [scale, unit] =
    parameters >= 1e12
      ? [1e12, "T"]
      : parameters >= 1e9
        ? [1e9, "B"]
        : parameters >= 1e6
          ? [1e6, "M"]
          : [1e3, "K"];
  const scaled = parameters / Number(scale);
  return `${scaled.toFixed(Math.round(scaled) >= 10 ? 0 : 1)}${unit}`;
}
