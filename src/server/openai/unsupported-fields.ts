// Fields of OpenAI's, vLLM's and llama.cpp's requests that would change the answer and are not implemented: they are refused
// by name, and only values without effect are accepted.

import { neutralOnly } from "./shared-schema.ts";

const ONLY_NULL: readonly unknown[] = [];

/** Of both routes: by name, the values without effect besides null. */
export const unsupportedFields = refusedFields({
  // Which tokens are likely.
  repetition_penalty: [1],
  repeat_penalty: [1],
  no_repeat_ngram_size: [0],
  typical_p: [1],
  tfs_z: [1],
  top_a: [0],
  top_n_sigma: [-1, 0],
  eta_cutoff: [0],
  epsilon_cutoff: [0],
  smoothing_factor: [0],
  mirostat: [0],
  mirostat_mode: [0],
  dry_multiplier: [0],
  xtc_probability: [0],
  dynatemp_range: [0],
  samplers: ONLY_NULL,
  logits_processors: [[]],
  allowed_token_ids: ONLY_NULL,
  bad_words: [[]],
  do_sample: [true],
  random_seed: ONLY_NULL,
  // How samples are searched for.
  use_beam_search: [false],
  num_beams: [1],
  length_penalty: [1],
  early_stopping: [false],
  // What form an answer must have.
  guided_json: ONLY_NULL,
  guided_regex: ONLY_NULL,
  guided_choice: ONLY_NULL,
  guided_grammar: ONLY_NULL,
  guided_whitespace_pattern: ONLY_NULL,
  guided_decoding_backend: ONLY_NULL,
  structured_outputs: [{}],
  grammar: [""],
  json_schema: ONLY_NULL,
  // Where an answer ends, and what of it is told.
  stop_token_ids: [[]],
  n_predict: ONLY_NULL,
  max_new_tokens: ONLY_NULL,
  include_stop_str_in_output: [false],
  skip_special_tokens: [true],
  detokenize: [true],
  prompt_logprobs: [false],
  return_token_ids: [false],
  return_tokens_as_token_ids: [false],
  // What the prompt becomes.
  truncate_prompt_tokens: ONLY_NULL,
  lora: [[]],
});

export const unsupportedChatFields = refusedFields({
  continue_final_message: [false],
  add_generation_prompt: [true],
  add_special_tokens: [false],
  echo: [false],
  best_of: [1],
  chat_template: ONLY_NULL,
  chat_template_kwargs: [{}],
  documents: [[]],
  reasoning: ONLY_NULL,
  reasoning_effort: ONLY_NULL,
  reasoning_format: ["none", "auto"],
  enable_thinking: ONLY_NULL,
  thinking: ONLY_NULL,
  thinking_budget: ONLY_NULL,
  verbosity: ["medium"],
  prediction: ONLY_NULL,
  safe_prompt: [false],
  prompt_mode: ONLY_NULL,
  mm_processor_kwargs: [{}],
  audio: ONLY_NULL,
  web_search_options: ONLY_NULL,
  modalities: [["text"]],
  tools: [[]],
  functions: [[]],
  // What clients send without tools.
  tool_choice: ["none", "auto"],
  function_call: ["none", "auto"],
});

export const unsupportedTextFields = refusedFields({
  echo: [false],
  suffix: [""],
  add_special_tokens: [true],
});

/** Of a chat's message. */
export const unsupportedMessageFields = refusedFields({
  tool_calls: [[]],
  function_call: ONLY_NULL,
  tool_call_id: ONLY_NULL,
  audio: ONLY_NULL,
  // The message would be continued, not answered.
  prefix: [false],
  partial: [false],
});

type RefusedFields<Name extends string> = Readonly<Record<Name, ReturnType<typeof neutralOnly>>>;

function refusedFields<const Name extends string>(
  neutral: Readonly<Record<Name, readonly unknown[]>>,
): RefusedFields<Name> {
  const schemas = Object.entries<readonly unknown[]>(neutral).map(([name, values]) => {
    const accepted = new Set(values.map((value) => JSON.stringify(value)));
    return [name, neutralOnly(name, (value) => accepted.has(JSON.stringify(value)))] as const;
  });
  // Object.fromEntries forgets which names there are.
  return Object.fromEntries(schemas) as RefusedFields<Name>;
}
