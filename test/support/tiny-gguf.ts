// A GGUF file of a Hugging Face folder of the llama architecture, made as llama.cpp's converter makes it: tensors
// renamed, the rows of q and k permuted, everything in F32.

import { openSafetensors } from "../../src/tensor/safetensors.ts";
import { f32, type GgufTensor, ggufBytes, text, u32 } from "../tensor/support/gguf-bytes.ts";

const MODULES: Readonly<Record<string, string>> = {
  input_layernorm: "attn_norm",
  post_attention_layernorm: "ffn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

function ggufName(name: string): string {
  if (name === "model.embed_tokens.weight") return "token_embd.weight";
  if (name === "model.norm.weight") return "output_norm.weight";
  if (name === "lm_head.weight") return "output.weight";
  return name.replace(
    /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/,
    (_, layer, module, kind) => `blk.${layer}.${MODULES[module]}.${kind}`,
  );
}

/** LlamaModel.permute of convert_hf_to_gguf.py: within each head, (half, pair) becomes (pair, half). */
function permute(values: Float32Array, heads: number, rows: number): Float32Array {
  const columns = values.length / rows;
  const half = rows / heads / 2;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const [head, within] = [Math.floor(row / (2 * half)), row % (2 * half)];
    const to = head * 2 * half + 2 * (within % half) + Math.floor(within / half);
    out.set(values.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return out;
}

export interface TinyGgufOptions {
  /** rope_freqs.weight, which divides each frequency. */
  readonly ropeFactors?: Float32Array;
  /** Tensors of the GGUF to leave out. */
  readonly without?: readonly string[];
  readonly metadata?: readonly (readonly [key: string, type: number, value: Uint8Array])[];
}

export const UINT32 = 4;
export const FLOAT32 = 6;
export const STRING = 8;
export const ARRAY = 9;

/** The file's bytes. `config` is the folder's config.json, `weights` its model.safetensors. */
export function tinyGguf(
  config: Readonly<Record<string, unknown>>,
  weights: string,
  options: TinyGgufOptions = {},
): Uint8Array {
  const number = (key: string): number => Number(config[key]);
  const chunks: Uint8Array[] = [];
  const tensors: GgufTensor[] = [];
  let offset = 0;
  const add = (name: string, shape: readonly number[], values: Float32Array): void => {
    if (options.without?.includes(name)) return;
    tensors.push({ name, dimensions: [...shape].reverse(), type: 0, offset });
    const padded = new Uint8Array(Math.ceil(values.byteLength / 32) * 32);
    padded.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    chunks.push(padded);
    offset += padded.length;
  };
  const file = openSafetensors(weights);
  for (const [name, { shape }] of file.entries) {
    const values = file.readFloat32(name);
    const projection = /self_attn\.([qk])_proj/.exec(name)?.[1];
    const heads = number(projection === "k" ? "num_key_value_heads" : "num_attention_heads");
    add(ggufName(name), shape, projection ? permute(values, heads, shape[0]!) : values);
  }
  file.close();
  if (options.ropeFactors) add("rope_freqs.weight", [options.ropeFactors.length], options.ropeFactors);
  const rope = (config.rope_parameters ?? config) as { rope_theta: number }; // where Transformers 5 and 4 have it
  const size = (key: string, value: number) => [`llama.${key}`, UINT32, u32(value)] as const;
  const given = new Set(options.metadata?.map(([key]) => key));
  const pairs = [
    ["general.architecture", STRING, text("llama")] as const,
    size("context_length", number("max_position_embeddings")),
    size("embedding_length", number("hidden_size")),
    size("block_count", number("num_hidden_layers")),
    size("feed_forward_length", number("intermediate_size")),
    size("attention.head_count", number("num_attention_heads")),
    size("attention.head_count_kv", number("num_key_value_heads")),
    size("attention.key_length", number("head_dim")),
    size("rope.dimension_count", number("head_dim")),
    ["llama.rope.freq_base", FLOAT32, f32(rope.rope_theta)] as const,
    ["llama.attention.layer_norm_rms_epsilon", FLOAT32, f32(number("rms_norm_eps"))] as const,
  ].filter(([key]) => !given.has(key));
  const data = Buffer.concat(chunks);
  return ggufBytes({ pairs: [...pairs, ...(options.metadata ?? [])], tensors, data });
}
