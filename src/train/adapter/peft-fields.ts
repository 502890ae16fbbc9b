// The fields of PEFT's adapter_config.json: which are honoured, and which change what an adapter computes and are refused.

import { z } from "zod";

const names = z.union([z.string(), z.array(z.string())]);
const byPattern = z.record(z.string(), z.number());

/** The fields that decide what an adapter does; PEFT's others describe how it was trained. */
export const honouredFields = z.object({
  peft_type: z.string(),
  base_model_name_or_path: z.string().nullish(),
  r: z.number().int().positive(),
  lora_alpha: z.number().positive(),
  lora_dropout: z.number().min(0).max(1).nullish(),
  target_modules: names.nullish(),
  exclude_modules: names.nullish(),
  layers_to_transform: z.union([z.number().int(), z.array(z.number().int())]).nullish(),
  layers_pattern: names.nullish(),
  rank_pattern: byPattern.nullish(),
  alpha_pattern: byPattern.nullish(),
  use_rslora: z.boolean().nullish(),
});
const isSet = (value: unknown): boolean =>
  value !== undefined &&
  value !== null &&
  value !== false &&
  !(typeof value === "object" && Object.keys(value).length === 0);

/** Initialisations that leave the base as it is; the others (pissa, olora, loftq, corda, lora_ga) change it. */
const KEEPS_BASE: readonly unknown[] = [undefined, null, true, false, "gaussian", "eva", "orthogonal"];

/** Fields that change what an adapter computes and are not implemented, with what they mean. */
const REFUSED: Readonly<Record<string, string>> = {
  use_dora: "weights are decomposed into magnitude and direction",
  use_qalora: "inputs are pooled in groups",
  use_bdlora: "A or B is block-diagonal",
  lora_bias: "the adapters have biases of their own",
  fan_in_fan_out: "weights are stored [in, out], which no supported family does",
  modules_to_save: "whole modules were trained beside the adapters",
  trainable_token_indices: "embeddings of tokens were trained",
  target_parameters: "adapters are on parameters instead of modules",
  layer_replication: "layers of the base are repeated",
  alora_invocation_tokens: "the adapter is switched on by tokens of the prompt",
  arrow_config: "several adapters are routed between",
  megatron_config: "modules are split between devices",
  kasa_config: "the base is changed by its singular values",
  velora_config: "inputs are compressed",
  monteclora_config: "the adapters are sampled",
};

/** The fields that are set and refused, a line for each. */
export function refusedFields(json: Readonly<Record<string, unknown>>): string[] {
  const found = Object.entries(REFUSED)
    .filter(([field]) => isSet(json[field]))
    .map(([field, why]) => `${field}: ${why}, found ${JSON.stringify(json[field])}`);
  if (isSet(json.bias) && json.bias !== "none") {
    found.push(`bias: the base's biases were trained, expected "none", found ${JSON.stringify(json.bias)}`);
  }
  if (!KEEPS_BASE.includes(json.init_lora_weights)) {
    found.push(
      `init_lora_weights: ${JSON.stringify(json.init_lora_weights)} changes the base's own weights; convert the adapter with PEFT's path_initial_model_for_weight_conversion`,
    );
  }
  return found;
}

export interface AdapterField {
  readonly field: string;
  readonly treatment: "honoured" | "ignored" | "refused";
  /** How it is read, why it changes nothing, or what it would change. */
  readonly meaning: string;
}

/** For the docs, in this order. */
export const ADAPTER_CONFIG_FIELDS: readonly AdapterField[] = [
  ...Object.keys(honouredFields.shape).map((field) => ({
    field,
    treatment: "honoured" as const,
    meaning: "as PEFT",
  })),
  { field: "init_lora_weights", treatment: "refused", meaning: "unless it leaves the base as it is" },
  { field: "bias", treatment: "refused", meaning: "unless none: the base's biases were trained" },
  ...Object.entries(REFUSED).map(([field, meaning]) => ({ field, treatment: "refused" as const, meaning })),
];
