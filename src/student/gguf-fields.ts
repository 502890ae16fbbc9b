// The metadata of a GGUF file of the supported architectures, and what is done with each key. ARCH stands for the
// architecture's name.

import type { KnownField } from "../base/known-fields.ts";

export const GGUF_FIELDS: readonly KnownField[] = [
  { names: "general.architecture", treatment: "honoured", about: "llama, qwen2 or qwen3" },
  { names: "general.alignment", treatment: "honoured", about: "where each tensor lies" },
  { names: "general.license", treatment: "honoured", about: "for the card" },
  { names: "general.*", treatment: "ignored", about: "describes the file" },
  {
    names: "split.count",
    treatment: "refused",
    about: "join the parts with llama-gguf-split",
    neutral: [0, 1],
  },
  { names: "split.*, quantize.*", treatment: "ignored", about: "how the file was made" },
  {
    names:
      "ARCH.embedding_length, ARCH.block_count, ARCH.feed_forward_length, ARCH.attention.head_count, ARCH.attention.head_count_kv, ARCH.attention.key_length",
    treatment: "honoured",
    about: "they give every tensor's shape",
  },
  { names: "ARCH.attention.value_length", treatment: "honoured", about: "must be the keys' length" },
  { names: "ARCH.context_length", treatment: "honoured", about: "the longest context" },
  { names: "ARCH.attention.layer_norm_rms_epsilon", treatment: "honoured", about: "of all norms" },
  {
    names: "ARCH.attention.sliding_window",
    treatment: "honoured",
    about: "of all layers; a llama file with one is read as mistral",
  },
  {
    names: "ARCH.rope.freq_base, ARCH.rope.scaling.type, ARCH.rope.scaling.factor, ARCH.rope.scale_linear",
    treatment: "honoured",
    about: "scaling none, linear and yarn, as llama.cpp; a tensor rope_freqs.weight too",
  },
  {
    names:
      "ARCH.rope.scaling.original_context_length, ARCH.rope.scaling.attn_factor, ARCH.rope.scaling.yarn_beta_fast, ARCH.rope.scaling.yarn_beta_slow",
    treatment: "honoured",
    about: "with yarn",
  },
  {
    names: "ARCH.rope.scaling.yarn_ext_factor, ARCH.rope.scaling.yarn_attn_factor",
    treatment: "refused",
    about: "YaRN of other proportions",
    neutral: [-1, 1],
  },
  {
    names: "ARCH.rope.scaling.yarn_log_multiplier",
    treatment: "refused",
    about: "YaRN as DeepSeek has it",
    neutral: [0],
  },
  { names: "ARCH.rope.scaling.alpha", treatment: "refused", about: "a scaling of the base", neutral: [0] },
  { names: "ARCH.rope.dimension_count", treatment: "honoured", about: "must be the head's size" },
  {
    names: "ARCH.rope.dimension_sections, ARCH.rope.freq_base_swa, ARCH.attention.sliding_window_pattern",
    treatment: "refused",
    about: "positions of several kinds, or layers that differ",
  },
  {
    names:
      "ARCH.expert_count, ARCH.expert_used_count, ARCH.nextn_predict_layers, ARCH.attention.scale, ARCH.attention.clamp_kqv, ARCH.attention.max_alibi_bias, ARCH.attn_logit_softcapping, ARCH.final_logit_softcapping, ARCH.logit_scale, ARCH.residual_scale, ARCH.embedding_scale",
    treatment: "refused",
    about: "another computation than the architecture's",
    neutral: [0],
  },
  {
    names: "ARCH.attention.causal",
    treatment: "refused",
    about: "attention looks back only",
    neutral: [true],
  },
  {
    names: "ARCH.use_parallel_residual",
    treatment: "refused",
    about: "another computation",
    neutral: [false],
  },
  {
    names:
      "ARCH.vocab_size, ARCH.attention.layer_norm_epsilon, ARCH.rope.scaling.finetuned, ARCH.tensor_data_layout, ARCH.pooling_type",
    treatment: "ignored",
    about: "the tensors say so, or nothing of these architectures reads it",
  },
  {
    names:
      "tokenizer.ggml.model, tokenizer.ggml.pre, tokenizer.ggml.tokens, tokenizer.ggml.token_type, tokenizer.ggml.scores, tokenizer.ggml.merges, tokenizer.ggml.add_bos_token, tokenizer.ggml.add_eos_token, tokenizer.ggml.add_space_prefix, tokenizer.chat_template",
    treatment: "honoured",
    about: "as a tokenizer.json and a chat template, which are checked as any other",
  },
  {
    names:
      "tokenizer.ggml.bos_token_id, tokenizer.ggml.eos_token_id, tokenizer.ggml.eot_token_id, tokenizer.ggml.eom_token_id, tokenizer.ggml.unknown_token_id, tokenizer.ggml.padding_token_id",
    treatment: "honoured",
    about: "one beyond the tokens is ignored, as in llama.cpp",
  },
  {
    names:
      "tokenizer.ggml.seperator_token_id, tokenizer.ggml.separator_token_id, tokenizer.ggml.cls_token_id, tokenizer.ggml.mask_token_id, tokenizer.ggml.prefix_token_id, tokenizer.ggml.suffix_token_id, tokenizer.ggml.middle_token_id, tokenizer.ggml.fim_pre_token_id, tokenizer.ggml.fim_suf_token_id, tokenizer.ggml.fim_mid_token_id, tokenizer.ggml.fim_pad_token_id, tokenizer.ggml.fim_rep_token_id, tokenizer.ggml.fim_sep_token_id, tokenizer.ggml.token_type_count, tokenizer.ggml.remove_extra_whitespaces, tokenizer.ggml.add_sep_token, tokenizer.chat_templates, tokenizer.chat_template.*, tokenizer.huggingface.json",
    treatment: "ignored",
    about: "of other tasks and other kinds of tokenizers",
  },
];
