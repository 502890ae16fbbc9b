// The names of a decoder's tensors in GGUF files, and the order of the rows of queries and keys in those of Llama.

import type { DecoderConfig } from "../nn/decoder-config.ts";
import { EMBEDDING, HEAD } from "./tied-head.ts";

const LAYER_MODULES: Readonly<Record<string, string>> = {
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

/** "blk.3.attn_q.weight" → "model.layers.3.self_attn.q_proj.weight"; unknown names stay as they are, for the error. */
export function huggingFaceName(name: string): string {
  if (name === "token_embd.weight") return EMBEDDING;
  if (name === "output_norm.weight") return "model.norm.weight";
  if (name === "output.weight") return HEAD;
  const match = /^blk\.(\d+)\.([a-z_]+)\.(weight|bias)$/.exec(name);
  const module = LAYER_MODULES[match?.[2] ?? ""];
  return match && module ? `model.layers.${match[1]}.${module}.${match[3]}` : name;
}

const NAMES = new Map(Object.entries(LAYER_MODULES).map(([name, module]) => [module, name]));

/** The inverse, for the tensors of a DecoderConfig. */
export function ggufName(name: string): string {
  if (name === EMBEDDING) return "token_embd.weight";
  if (name === "model.norm.weight") return "output_norm.weight";
  if (name === HEAD) return "output.weight";
  const match = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name);
  const module = NAMES.get(match?.[2] ?? "");
  if (match === null || module === undefined) throw new Error(`no GGUF name for the tensor ${name}`);
  return `blk.${match[1]}.${module}.${match[3]}`;
}

/** For each row in Hugging Face order its row in the file: within a head, (half, pair) is stored as (pair, half). */
function rotaryRowOrder(rows: number, heads: number): Int32Array {
  const headSize = rows / heads;
  return Int32Array.from({ length: rows }, (_, row) => {
    const within = row % headSize;
    const half = Math.floor(within / (headSize / 2));
    const pair = within % (headSize / 2);
    return row - within + pair * 2 + half;
  });
}

export function permuteRows<T extends Float32Array | Uint8Array>(
  values: T,
  order: Int32Array,
  columns: number,
): T {
  const out = values.slice() as T; // slice keeps the array's type
  order.forEach((from, row) => {
    out.set(values.subarray(from * columns, (from + 1) * columns), row * columns);
  });
  return out;
}

/** That order for the queries and keys of Llama files, by their name in the file; null for all other tensors. */
export function rotaryRowsOf(
  architecture: string,
  name: string,
  rows: number,
  config: Pick<DecoderConfig, "heads" | "keyValueHeads">,
): Int32Array | null {
  const permuted = architecture === "llama" && /^blk\.\d+\.attn_([qk])\.(weight|bias)$/.exec(name);
  if (!permuted) return null;
  const heads = permuted[1] === "k" ? config.keyValueHeads : config.heads;
  return rows % (2 * heads) === 0 ? rotaryRowOrder(rows, heads) : null;
}

/** The order that takes rows back: `order[inverse[i]] = i`. */
export function inverseOrder(order: Int32Array): Int32Array {
  const inverse = new Int32Array(order.length);
  order.forEach((from, row) => {
    inverse[from] = row;
  });
  return inverse;
}
