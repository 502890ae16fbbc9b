// The files of a model's tokenizer and chat template, by their names on the hub.

/** A model may lack any of them. */
export const TEXT_FILES: readonly string[] = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
];
