// Normalizers made by the tokenizer library, which exports them as parts of a tokenizer only.

import { Tokenizer } from "@huggingface/tokenizers";
import type { JsonObject } from "../base/files/json-file.ts";
import { type LibraryNormalizer, makeLinear } from "./linear-normalizers.ts";

export interface Normalizer {
  normalize(text: string): string;
  /** Of Replace, as JavaScript's. */
  readonly pattern?: RegExp | null;
}

/** One for each step. Throws the library's errors for steps that it does not know, and expressions that JavaScript lacks. */
export function libraryNormalizers(steps: readonly JsonObject[]): readonly Normalizer[] {
  const nothing = { added_tokens: [], pre_tokenizer: null, post_processor: null, decoder: null };
  const definition = {
    ...nothing,
    normalizer: { type: "Sequence", normalizers: steps },
    model: { type: "BPE", vocab: {}, merges: [] },
  };
  const made: { readonly normalizer: { readonly normalizers: readonly (Normalizer & LibraryNormalizer)[] } } =
    new Tokenizer(definition, {});
  for (const one of made.normalizer.normalizers) makeLinear(one);
  return made.normalizer.normalizers;
}
