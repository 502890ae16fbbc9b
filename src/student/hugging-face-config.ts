// The config.json of a base that is written as a Hugging Face folder: the source's own, with what Transformers would read
// otherwise said in its terms.

import { MagdiError } from "../base/errors.ts";
import { isObject } from "../base/files/json-file.ts";
import { inverseFrequencies } from "../nn/rope.ts";
import type { BaseModel } from "./base-model.ts";
import type { ConfigJson } from "./config-json.ts";

/** How Transformers names the types. */
const TORCH_TYPES = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/** @throws MAGDI_UNSUPPORTED for rotary factors of a GGUF file that Transformers has no rule for */
export function huggingFaceConfig(base: BaseModel, type: keyof typeof TORCH_TYPES): ConfigJson {
  const { "transformers.js_config": _javascript, torch_dtype: _old, ...own } = base.configJson;
  return {
    ...own,
    ...ropeOf(base),
    tie_word_embeddings: base.config.tiedHead,
    vocab_size: base.config.vocabSize,
    dtype: TORCH_TYPES[type],
    // For Transformers before 5.
    torch_dtype: TORCH_TYPES[type],
  };
}

/** The scalings that were published for Llama 3.1 and 3.2, as GGUF files hold only the factors that they give. */
const LLAMA3_FACTORS = [8, 32];
const LLAMA3 = {
  rope_type: "llama3",
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

/** rope_parameters for Transformers 5 and rope_scaling for those before, where the source is a GGUF file. */
function ropeOf({ source, config, configJson }: BaseModel): ConfigJson {
  const { rope_parameters: rope } = configJson;
  if (!isObject(rope) || rope.rope_type === "default" || configJson.rope_scaling !== undefined) return {};
  if (rope.rope_type !== "factors") return { rope_scaling: rope };
  const wanted = inverseFrequencies(config);
  for (const factor of LLAMA3_FACTORS) {
    const found = inverseFrequencies({
      ...config,
      ropeScaling: {
        kind: "llama3",
        factor,
        lowFrequencyFactor: LLAMA3.low_freq_factor,
        highFrequencyFactor: LLAMA3.high_freq_factor,
        originalPositions: LLAMA3.original_max_position_embeddings,
      },
    });
    if (found.some((frequency, index) => Math.abs(frequency / wanted[index]! - 1) > 1e-5)) continue;
    const scaling = { ...LLAMA3, factor };
    return { rope_parameters: { ...scaling, rope_theta: config.ropeTheta }, rope_scaling: scaling };
  }
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${source}: rope_freqs.weight: expected the factors of Llama 3.1 or 3.2, found others, which Transformers has no rule for; export from the Hugging Face folder that the file was made from, or with --to gguf`,
  );
}
