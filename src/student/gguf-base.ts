// Reads a GGUF file as a base model: metadata as config.json, tensors under Hugging Face keys with the rotary
// permutation of Llama files undone, the tokenizer as Hugging Face files.

import { MagdiError } from "../base/errors.ts";
import { type Examination, examine, unknownFieldsNote } from "../base/known-fields.ts";
import { type BlockGrid, isGridType, toBlockGrid } from "../tensor/ggml-blocks.ts";
import type { GridType } from "../tensor/ggml-unpack.ts";
import { type GgufFile, openGguf } from "../tensor/gguf.ts";
import { closingOnError } from "../tensor/tensor-file.ts";
import { ggufEndTokenIds, ggufTokenizerFiles } from "../text/gguf-tokenizer.ts";
import { assertFloats, type BaseModel, type BaseTensor, checkTensors } from "./base-model.ts";
import { type ConfigJson, configNotes, readConfigJson } from "./config-json.ts";
import { GGUF_FIELDS } from "./gguf-fields.ts";
import { huggingFaceName, permuteRows, rotaryRowsOf } from "./gguf-tensor-names.ts";
import { areTwins, EMBEDDING, finer, HEAD } from "./tied-head.ts";

const ARCHITECTURES = {
  llama: "LlamaForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
} as const;

function tensorOf(file: GgufFile, name: string, order: Int32Array | null): BaseTensor {
  const entry = file.entries.get(name)!; // the caller iterates over the entries
  const [rows = 1, columns = 1] = entry.shape.length === 1 ? [entry.shape[0], 1] : entry.shape;
  const { type } = entry;
  const gridOf = (gridType: GridType) => (): BlockGrid => {
    const grid = toBlockGrid(gridType, file.readRaw(name), rows, columns);
    if (order === null) return grid;
    return {
      bits: grid.bits,
      codes: permuteRows(grid.codes, order, columns),
      scales: permuteRows(grid.scales, order, columns / 32),
      mins: permuteRows(grid.mins, order, columns / 32),
    };
  };
  return {
    shape: entry.shape,
    sourceBits: Number(/^Q(\d)_/.exec(entry.type)?.[1] ?? 0) || null,
    readFloat32: () => {
      const values = file.readFloat32(name);
      return order ? permuteRows(values, order, columns) : values;
    },
    readGrid: entry.shape.length === 2 && isGridType(type) ? gridOf(type) : null,
  };
}

/** "none" is how llama.cpp's converter writes a model without a tokenizer. */
function hasTokens({ metadata }: GgufFile): boolean {
  const model = metadata.get("tokenizer.ggml.model");
  return model !== undefined && model !== "none" && model !== "no_vocab";
}

/** Some files have tokens but no merges, which a byte-level tokenizer needs. */
function hasTokenizer(file: GgufFile): boolean {
  const isByteLevel = file.metadata.get("tokenizer.ggml.model") === "gpt2";
  return hasTokens(file) && (!isByteLevel || file.metadata.has("tokenizer.ggml.merges"));
}

/** rope_parameters, as llama.cpp reads them: without a type it is linear, a factor of 0 or 1 means none, and the factor
 * has an older name too. */
function ropeOf(file: GgufFile, architecture: string): Record<string, unknown> {
  const number = (key: string) => file.getOptionalNumber(`${architecture}.rope.${key}`);
  const theta = { rope_theta: number("freq_base") ?? 10000 };
  const type = file.getOptionalString(`${architecture}.rope.scaling.type`) ?? "linear";
  const factor = number("scaling.factor") ?? number("scale_linear") ?? 1;
  const linear = type === "linear" && factor !== 0 && factor !== 1;
  const hasFactors = file.entries.has("rope_freqs.weight");
  if (type === "yarn" && !hasFactors) {
    return {
      ...theta,
      rope_type: type,
      factor: factor === 0 ? 1 : factor,
      original_max_position_embeddings: number("scaling.original_context_length") ?? undefined,
      beta_fast: number("scaling.yarn_beta_fast") ?? undefined,
      beta_slow: number("scaling.yarn_beta_slow") ?? undefined,
      attention_factor: yarnAttention(number("scaling.attn_factor"), factor),
    };
  }
  if (type !== "none" && type !== "linear") {
    return { ...theta, rope_type: hasFactors ? `${type} beside rope_freqs.weight` : type, factor };
  }
  if (hasFactors) {
    const factors = file.readFloat32("rope_freqs.weight");
    // Each frequency is divided by both.
    return { ...theta, rope_type: "factors", factors: Array.from(factors, (f) => (linear ? f * factor : f)) };
  }
  return linear ? { ...theta, rope_type: type, factor } : { ...theta, rope_type: "default" };
}

/** The file's factor multiplies the one that YaRN gives. */
const yarnAttention = (stored: number | null, factor: number): number | undefined =>
  stored === null ? undefined : stored * (factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1);

/** The metadata as a Hugging Face config.json. @throws MAGDI_BAD_FILE for a value of the wrong type */
function configOf(file: GgufFile, architecture: keyof typeof ARCHITECTURES): ConfigJson {
  const number = (key: string) => file.getOptionalNumber(`${architecture}.${key}`) ?? undefined;
  const token = (key: string) => file.getOptionalNumber(`tokenizer.ggml.${key}_token_id`) ?? undefined;
  const rope = ropeOf(file, architecture);
  const heads = number("attention.head_count");
  const hidden = number("embedding_length");
  const perHead = hidden !== undefined && heads !== undefined ? hidden / heads : undefined;
  const headSize = number("attention.key_length") ?? perHead;
  const values = number("attention.value_length") ?? headSize;
  if (values !== headSize) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${file.path}: ${architecture}.attention.value_length: expected ${headSize}, as the keys have, found ${values}`,
    );
  }
  const rotated = number("rope.dimension_count") ?? headSize;
  if (rotated !== headSize) rope.partial_rotary_factor = (rotated ?? 0) / (headSize ?? 1);
  const ends = hasTokens(file) ? ggufEndTokenIds(file.metadata) : [];
  const has = (suffix: string): boolean => [...file.entries.keys()].some((name) => name.endsWith(suffix));
  const window = number("attention.sliding_window");
  const config: Record<string, unknown> = {
    architectures: [ARCHITECTURES[architecture]],
    model_type: architecture,
    vocab_size: file.entries.get("token_embd.weight")?.shape[0],
    hidden_size: hidden,
    intermediate_size: number("feed_forward_length"),
    num_hidden_layers: number("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: number("attention.head_count_kv") ?? heads,
    head_dim: headSize,
    hidden_act: "silu",
    max_position_embeddings: number("context_length"),
    rms_norm_eps: number("attention.layer_norm_rms_epsilon"),
    rope_parameters: rope,
    rope_theta: rope.rope_theta,
    tie_word_embeddings: !file.entries.has("output.weight"),
    attention_bias: has(".attn_output.bias") || (architecture !== "qwen2" && has(".attn_q.bias")),
    mlp_bias: has(".ffn_down.bias"),
    bos_token_id: token("bos"),
    eos_token_id: ends.length > 1 ? ends : ends[0],
    pad_token_id: token("padding"),
    dtype: "float32",
  };
  if (window !== undefined && window > 0) {
    // Llama files with a sliding window are Mistral's.
    Object.assign(config, {
      model_type: architecture === "llama" ? "mistral" : architecture,
      sliding_window: window,
    });
    if (architecture !== "llama") Object.assign(config, { use_sliding_window: true, max_window_layers: 0 });
    else config.architectures = ["MistralForCausalLM"];
  }
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

/** llama.cpp refuses such a file; its last tokens are mostly padding. */
function tokensBeyond({ metadata }: GgufFile, rows: number): string[] {
  const tokens = metadata.get("tokenizer.ggml.tokens");
  if (!Array.isArray(tokens) || tokens.length <= rows) return [];
  return [
    `The GGUF file has ${tokens.length} tokens and an embedding of ${rows} rows; those from ${JSON.stringify(tokens[rows])} (${rows}) on cannot be used.`,
  ];
}

function examineMetadata({ metadata }: GgufFile, architecture: string): Examination {
  const ofAny = [...metadata].map(
    ([key, value]) =>
      [key.startsWith(`${architecture}.`) ? `ARCH${key.slice(architecture.length)}` : key, value] as const,
  );
  const { refused, unknown } = examine(Object.fromEntries(ofAny), GGUF_FIELDS);
  const named = (names: readonly string[]) =>
    names.map((name) => name.replace(/^ARCH\./, `${architecture}.`));
  return { refused: named(refused), unknown: named(unknown) };
}

/** Makes one matrix of an embedding and a head that are the same but for their rounding; returns the notes. */
function tieTwins(tensors: Map<string, BaseTensor>): string[] {
  const [embedding, head] = [tensors.get(EMBEDDING), tensors.get(HEAD)];
  if (embedding === undefined || head === undefined || !areTwins(embedding, head)) return [];
  tensors.set(EMBEDDING, finer(embedding, head));
  tensors.delete(HEAD);
  const bits = ({ sourceBits }: BaseTensor): string =>
    sourceBits === null ? "floats" : `${sourceBits} bits`;
  return [
    `The file stores the embedding (${bits(embedding)}) once more as the vocabulary head (${bits(head)}); the finer of the two serves as both.`,
  ];
}

/** Opens the file; tensors are read on demand.
 * @throws MAGDI_BAD_FILE, MAGDI_UNSUPPORTED naming what is wrong. */
export function openGgufBase(path: string): BaseModel {
  const file = openGguf(path);
  return closingOnError(file, () => {
    const architecture = String(file.metadata.get("general.architecture"));
    if (!Object.hasOwn(ARCHITECTURES, architecture)) {
      throw new MagdiError(
        "MAGDI_UNSUPPORTED",
        `${path}: architecture ${architecture} is not supported; ${Object.keys(ARCHITECTURES).join(", ")} are`,
      );
    }
    const { refused, unknown } = examineMetadata(file, architecture);
    if (refused.length > 0) {
      throw new MagdiError("MAGDI_UNSUPPORTED", `${path}: not supported: ${refused.join("; ")}`);
    }
    assertFloats(path, file);
    const configJson = configOf(file, architecture as keyof typeof ARCHITECTURES); // checked above
    const config = readConfigJson(configJson, path);
    const tensors = new Map<string, BaseTensor>();
    for (const [name, entry] of file.entries) {
      if (name === "rope_freqs.weight") continue;
      const order = rotaryRowsOf(architecture, name, entry.shape[0] ?? 0, config);
      tensors.set(huggingFaceName(name), tensorOf(file, name, order));
    }
    checkTensors(path, config, tensors);
    const twins = tieTwins(tensors);
    const tied = twins.length > 0;
    const notes = [
      ...configNotes(configJson, path),
      ...unknownFieldsNote("The GGUF file", unknown),
      ...twins,
      ...tokensBeyond(file, config.vocabSize),
    ];
    const licence = file.metadata.get("general.license");
    const textFiles = hasTokenizer(file) ? ggufTokenizerFiles(file.metadata) : {};
    const generationConfig = Object.fromEntries(
      ["bos_token_id", "eos_token_id", "pad_token_id"]
        .filter((key) => configJson[key] !== undefined)
        .map((key) => [key, configJson[key]]),
    );
    return {
      source: path,
      config: tied ? { ...config, tiedHead: true } : config,
      configJson: tied ? { ...configJson, tie_word_embeddings: true } : configJson,
      notes,
      generationConfig,
      tensors,
      textFiles: new Map(
        Object.entries(textFiles).filter((entry): entry is [string, string] => entry[1] !== null),
      ),
      licence: typeof licence === "string" ? licence : null,
      close: () => file.close(),
    };
  });
}
