// A Hugging Face folder of random weights, of any size, with the fixtures' byte-level tokenizer where asked for.

import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type DecoderConfig, expectedTensors } from "../../src/nn/decoder-config.ts";
import { readConfigJson } from "../../src/student/config-json.ts";
import { writeSafetensors } from "../../src/tensor/safetensors.ts";
import { SeededRandom } from "../text/seeded-random.ts";
import { fixture } from "./scratch-folder.ts";

export interface RandomBaseOptions {
  /** Over the defaults: llama, one layer, hidden size 64, and a vocabulary that the tokenizer fits. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tokenizer?: boolean;
  /** Changes a tensor's values before they are written. */
  readonly change?: (name: string, values: Float32Array) => void;
}

export function writeRandomBase(folder: string, options: RandomBaseOptions = {}): DecoderConfig {
  const json = {
    model_type: "llama",
    vocab_size: 640,
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 256,
    eos_token_id: 2,
    tie_word_embeddings: true,
    ...options.config,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "config.json"), JSON.stringify(json));
  const config = readConfigJson(json, folder);
  const random = new SeededRandom(7);
  const tensors = [...expectedTensors(config)].map(([name, shape]) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const isNorm = shape.length === 1;
    const data = Float32Array.from({ length }, () => (isNorm ? 1 : (random.below(4001) - 2000) / 10_000));
    options.change?.(name, data);
    return { name, type: "F32" as const, shape, data };
  });
  writeSafetensors(path.join(folder, "model.safetensors"), tensors);
  if (options.tokenizer) cpSync(fixture("tokenizers/byte-level"), folder, { recursive: true });
  return config;
}
