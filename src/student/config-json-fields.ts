// The fields of config.json that Llama, Mistral, Qwen2 and Qwen3 checkpoints have, and what is done with each.

import type { KnownField } from "../base/known-fields.ts";

export const CONFIG_FIELDS: readonly KnownField[] = [
  { names: "model_type", treatment: "honoured", about: "llama, mistral, qwen2 or qwen3" },
  {
    names: "architectures",
    treatment: "honoured",
    about: "another than the family's own for causal language models is named in the card",
  },
  {
    names: "vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads",
    treatment: "honoured",
    about: "required; they give every tensor's shape",
  },
  {
    names: "num_key_value_heads, head_dim",
    treatment: "honoured",
    about: "where they are left out, the defaults of Transformers for the family",
  },
  { names: "rms_norm_eps", treatment: "honoured", about: "1e-6 by default" },
  { names: "max_position_embeddings", treatment: "honoured", about: "required; the longest context" },
  {
    names: "rope_parameters, rope_scaling, rope_theta, original_max_position_embeddings",
    treatment: "honoured",
    about: "as Transformers 5: rope_scaling, or else rope_parameters; see the table of its fields",
  },
  {
    names: "sliding_window, use_sliding_window, max_window_layers, layer_types",
    treatment: "honoured",
    about:
      "by the rules of each family: 4096 where sliding_window is left out, none where it is null; Llama has none",
  },
  {
    names: "tie_word_embeddings",
    treatment: "honoured",
    about: "but a head that the checkpoint stores and that differs from the embedding is kept",
  },
  {
    names: "attention_bias, mlp_bias",
    treatment: "honoured",
    about: "where the family has such biases; the tensors must fit",
  },
  {
    names: "eos_token_id",
    treatment: "honoured",
    about: "ends an answer, unless generation_config.json names one",
  },
  {
    names: "auto_map",
    treatment: "ignored",
    about: "code of the checkpoint's own is not run; named in the card",
  },
  { names: "license", treatment: "honoured", about: "for the card" },
  { names: "hidden_act", treatment: "refused", about: "only silu is computed", neutral: ["silu"] },
  {
    names: "quantization_config, compression_config",
    treatment: "refused",
    about: "weights that are codes: import the original checkpoint, or a GGUF file",
  },
  {
    names: "partial_rotary_factor",
    treatment: "refused",
    about: "only whole heads are rotated",
    neutral: [1],
  },
  {
    names:
      "rope_interleaved, use_mrope, is_encoder_decoder, add_cross_attention, use_bidirectional_attention",
    treatment: "refused",
    about: "another computation than the family's",
    neutral: [false],
  },
  { names: "is_causal", treatment: "refused", about: "attention looks back only", neutral: [true] },
  {
    names: "per_layer_config, pruned_heads",
    treatment: "refused",
    about: "layers that differ",
    neutral: [{}],
  },
  {
    names: "attention_dropout, hidden_dropout, embd_pdrop, resid_pdrop",
    treatment: "ignored",
    about: "of training elsewhere; training here drops out in its adapters alone",
  },
  {
    names:
      "bos_token_id, pad_token_id, unk_token_id, sep_token_id, cls_token_id, decoder_start_token_id, model_max_length, tokenizer_class, prefix",
    treatment: "ignored",
    about: "the tokenizer's files say so",
  },
  {
    names:
      "dtype, torch_dtype, use_cache, cache_implementation, attn_implementation, use_flash_attention_2, pretraining_tp, chunk_size_feed_forward, max_sequence_length",
    treatment: "ignored",
    about: "how others store or compute the same numbers",
  },
  { names: "initializer_range", treatment: "ignored", about: "of weights before training" },
  {
    names:
      "transformers_version, name_or_path, transformers.js_config, unsloth_fixed, unsloth_version, is_llama_config, output_attentions, output_hidden_states, return_dict, torchscript, tf_legacy_loss, use_bfloat16, tie_encoder_decoder, is_decoder, cross_attention_hidden_size, finetuning_task, id2label, label2id, num_labels, problem_type, task_specific_params",
    treatment: "ignored",
    about: "of other programs and tasks",
  },
  {
    names:
      "temperature, top_k, top_p, typical_p, repetition_penalty, do_sample, max_length, max_new_tokens, min_length, num_beams, num_beam_groups, num_return_sequences, early_stopping, length_penalty, diversity_penalty, no_repeat_ngram_size, encoder_no_repeat_ngram_size, bad_words_ids, suppress_tokens, begin_suppress_tokens, forced_bos_token_id, forced_eos_token_id, remove_invalid_values, exponential_decay_length_penalty, output_scores, return_dict_in_generate",
    treatment: "ignored",
    about: "sampling is the request's",
  },
];
