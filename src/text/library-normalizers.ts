// Normalizers made by the tokenizer library, which exports them as parts of a tokenizer only. Unicode is normalized in linear
// time, which JavaScript engines do not do.

import { Tokenizer } from "@huggingface/tokenizers";
import type { JsonObject } from "../base/files/json-file.ts";
import { isNormalizationForm, normalizeUnicode } from "./unicode-normalizer.ts";

export interface Normalizer {
  normalize(text: string): string;
  /** Of Replace, as JavaScript's. */
  readonly pattern?: RegExp | null;
}

/** One for each step of a flat list. Throws the library's errors for steps that it does not know, and expressions that
 * JavaScript lacks. */
export function libraryNormalizers(steps: readonly JsonObject[]): readonly Normalizer[] {
  const nothing = { added_tokens: [], pre_tokenizer: null, post_processor: null, decoder: null };
  const definition = {
    ...nothing,
    normalizer: { type: "Sequence", normalizers: steps },
    model: { type: "BPE", vocab: {}, merges: [] },
  };
  const made: { readonly normalizer: { readonly normalizers: readonly Normalizer[] } } = new Tokenizer(
    definition,
    {},
  );
  return made.normalizer.normalizers.map((one, index) => {
    const type = steps[index]?.type;
    return isNormalizationForm(type) ? { normalize: (text) => normalizeUnicode(text, type) } : one;
  });
}
