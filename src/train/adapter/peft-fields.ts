// Every field of PEFT's adapter_config.json for LoRA: what is honoured, what is known to change nothing that an adapter
// computes, and what is refused.

import { z } from "zod";

const names = z.union([z.string(), z.array(z.string())]);
const byPattern = z.record(z.string(), z.number());
const rank = z.number().int().positive();

/** The fields that are honoured. */
export const honouredFields = z.object({
  peft_type: z.literal("LORA").describe("expected LORA"),
  task_type: z.enum(["CAUSAL_LM"]).nullish().describe("CAUSAL_LM or none"),
  base_model_name_or_path: z.string().nullish().describe("the base where none is named; another one is said"),
  revision: z.string().nullish().describe("the revision of that base"),
  r: rank.default(8).describe("the rank"),
  lora_alpha: z.number().default(8).describe("of any sign; the scale is alpha / r"),
  use_rslora: z.boolean().nullish().describe("the scale is alpha / √r"),
  lora_dropout: z.number().min(0).max(1).nullish().describe("when it is trained on"),
  target_modules: names
    .nullish()
    .describe("names, a Python expression or all-linear; without, the queries and values"),
  exclude_modules: names.nullish().describe("names or a Python expression"),
  layers_to_transform: z
    .union([z.number().int(), z.array(z.number().int())])
    .nullish()
    .describe("an index or several; an empty list is all; not beside an expression, as in PEFT"),
  layers_pattern: names.nullish().describe("a Python expression or several; empty is any"),
  rank_pattern: z
    .record(z.string(), rank)
    .nullish()
    .describe("the first expression that matches a module's end"),
  alpha_pattern: byPattern.nullish().describe("as rank_pattern"),
});

/** Fields that describe how an adapter was made, or that do nothing without one that is refused. */
const IGNORED: Readonly<Record<string, string>> = {
  auto_mapping: "the class of the base",
  inference_mode: "whether it may be trained",
  peft_version: "who wrote it",
  fan_in_fan_out: "PEFT takes it for false on linear layers, which all of a decoder's are",
  ensure_weight_tying: "only with embeddings, adapters on which are refused",
  runtime_config: "PEFT ignores it in a file",
  merge_weights: "of early versions: whether it was merged in memory",
  megatron_core: "only with megatron_config",
  qalora_group_size: "only with use_qalora",
  loftq_config: "only with init_lora_weights loftq",
  eva_config: "how the first values were found; ranks are in rank_pattern",
  corda_config: "only with init_lora_weights corda",
  lora_ga_config: "only with init_lora_weights lora_ga",
};

/** Fields that change what an adapter computes and are not implemented, with what they mean. */
const REFUSED: Readonly<Record<string, string>> = {
  use_dora: "weights are decomposed into magnitude and direction",
  use_qalora: "inputs are pooled in groups",
  use_bdlora: "A or B is block-diagonal",
  lora_bias: "the adapters have biases of their own",
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
  enable_lora: "of early versions: parts of a fused module are adapted",
};

/** Initialisations that leave the base as it is; the others (pissa, olora, loftq, corda, lora_ga) change it. */
const KEEPS_BASE: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  "gaussian",
  "eva",
  "orthogonal",
  "mica",
];

export interface AdapterField {
  readonly field: string;
  readonly treatment: "honoured" | "ignored" | "refused";
  /** How it is read, why it changes nothing, or what it would change. */
  readonly meaning: string;
}

/** For the docs, in this order. */
export const ADAPTER_CONFIG_FIELDS: readonly AdapterField[] = [
  ...Object.entries(honouredFields.shape).map(([field, one]) => ({
    field,
    treatment: "honoured" as const,
    meaning: one.description ?? "",
  })),
  ...Object.entries(IGNORED).map(([field, meaning]) => ({ field, treatment: "ignored" as const, meaning })),
  {
    field: "init_lora_weights",
    treatment: "refused",
    meaning: "unless it leaves the base as it is: true, false, gaussian, eva, orthogonal, mica",
  },
  { field: "bias", treatment: "refused", meaning: "unless none: the base's biases were trained" },
  ...Object.entries(REFUSED).map(([field, meaning]) => ({ field, treatment: "refused" as const, meaning })),
];

/** Whether Python takes the value for true, or it is an object. */
const isSet = (value: unknown): boolean =>
  typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);

/** The fields that are set and refused, a line for each. */
export function refusedFields(json: Readonly<Record<string, unknown>>): string[] {
  const found = Object.entries(REFUSED)
    .filter(([field]) => isSet(json[field]))
    .map(([field, why]) => `${field}: ${why}, found ${JSON.stringify(json[field])}`);
  const { bias, init_lora_weights: init, task_type: task } = json;
  if (isSet(bias) && bias !== "none") {
    found.push(`bias: the base's biases were trained, expected "none", found ${JSON.stringify(bias)}`);
  }
  if (!KEEPS_BASE.includes(typeof init === "string" ? init.toLowerCase() : init)) {
    found.push(
      `init_lora_weights: ${JSON.stringify(init)} changes the base's own weights; convert the adapter with PEFT's path_initial_model_for_weight_conversion`,
    );
  }
  if (isSet(task) && task !== "CAUSAL_LM") {
    found.push(
      `task_type: the adapter is for another kind of model, expected "CAUSAL_LM", found ${JSON.stringify(task)}`,
    );
  }
  return found;
}

/** The fields that are set and that nobody here knows: a later version's, or another tool's. */
export function unknownFields(json: Readonly<Record<string, unknown>>): string[] {
  const known = new Set(ADAPTER_CONFIG_FIELDS.map(({ field }) => field));
  return Object.keys(json).filter((field) => !known.has(field) && isSet(json[field]));
}
