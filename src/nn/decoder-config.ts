// The configuration of a decoder, of whatever model family. It knows no file format.

export type RopeScaling =
  | { readonly kind: "none" }
  /** All frequencies are divided by one factor. */
  | { readonly kind: "linear"; readonly factor: number }
  /** Llama 3.1: low frequencies are divided by the factor, high ones kept, those between interpolated. */
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalPositions: number;
    }
  /** YaRN (Peng et al. 2023): frequencies that turn more than `betaFast` times in the original context are kept, those that
   * turn less than `betaSlow` times divided by the factor, and those between blended; what is rotated is scaled. */
  | {
      readonly kind: "yarn";
      readonly factor: number;
      readonly originalPositions: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Whether the blend begins and ends at whole frequencies. */
      readonly truncate: boolean;
      readonly attentionFactor: number;
    }
  /** Each frequency is divided by its own factor [headSize/2], as in GGUF files. */
  | { readonly kind: "factors"; readonly factors: readonly number[] };

export interface DecoderConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly normEpsilon: number;
  /** Positions that the rotary tables cover: the context length. */
  readonly positions: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  readonly tiedHead: boolean;
  /** RMS norm over each head of queries and keys (Qwen3). */
  readonly queryKeyNorm: boolean;
  readonly queryKeyValueBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** The sliding window of each layer in tokens, the current one included; null is full attention. */
  readonly windows: readonly (number | null)[];
}

/** The shape of every tensor of such a decoder, by Hugging Face key. */
export function expectedTensors(config: DecoderConfig): Map<string, readonly number[]> {
  const { hiddenSize, intermediateSize, vocabSize, headSize } = config;
  const queryRows = config.heads * headSize;
  const keyRows = config.keyValueHeads * headSize;
  const expected = new Map<string, readonly number[]>([
    ["model.embed_tokens.weight", [vocabSize, hiddenSize]],
    ["model.norm.weight", [hiddenSize]],
  ]);
  if (!config.tiedHead) expected.set("lm_head.weight", [vocabSize, hiddenSize]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    const linear = (module: string, rows: number, columns: number, bias: boolean): void => {
      expected.set(`${prefix}.${module}.weight`, [rows, columns]);
      if (bias) expected.set(`${prefix}.${module}.bias`, [rows]);
    };
    expected.set(`${prefix}.input_layernorm.weight`, [hiddenSize]);
    expected.set(`${prefix}.post_attention_layernorm.weight`, [hiddenSize]);
    linear("self_attn.q_proj", queryRows, hiddenSize, config.queryKeyValueBias);
    linear("self_attn.k_proj", keyRows, hiddenSize, config.queryKeyValueBias);
    linear("self_attn.v_proj", keyRows, hiddenSize, config.queryKeyValueBias);
    linear("self_attn.o_proj", hiddenSize, queryRows, config.outputBias);
    linear("mlp.gate_proj", intermediateSize, hiddenSize, config.mlpBias);
    linear("mlp.up_proj", intermediateSize, hiddenSize, config.mlpBias);
    linear("mlp.down_proj", hiddenSize, intermediateSize, config.mlpBias);
    if (config.queryKeyNorm) {
      expected.set(`${prefix}.self_attn.q_norm.weight`, [headSize]);
      expected.set(`${prefix}.self_attn.k_norm.weight`, [headSize]);
    }
  }
  return expected;
}
