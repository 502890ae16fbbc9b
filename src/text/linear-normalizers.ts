// Makes the normalizers of the tokenizer library normalize Unicode in linear time, with the same results.

import { isNormalizationForm, normalizeUnicode, orderMarks } from "./unicode-normalizer.ts";

/** The parts of the library's normalizers in use, whatever their type. */
export interface LibraryNormalizer {
  readonly config: { readonly type?: unknown };
  /** Of a Sequence. */
  readonly normalizers?: readonly (LibraryNormalizer | null)[];
  normalize(text: string): string;
  /** Of a BertNormalizer. */
  strip_accents?(text: string): string;
}

/** What the library's Precompiled normalizer removes before it normalizes: marks on both sides then make one run. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it removes
const REMOVED = /[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]/g;

/** Changes `normalizer` and those within it. */
export function makeLinear(normalizer: LibraryNormalizer | null): void {
  if (normalizer === null) return;
  for (const part of normalizer.normalizers ?? []) makeLinear(part);
  const { type } = normalizer.config;
  if (isNormalizationForm(type)) normalizer.normalize = (text) => normalizeUnicode(text, type);
  if (type === "BertNormalizer")
    normalizer.strip_accents = (text) => normalizeUnicode(text, "NFD").replace(/\p{Mn}/gu, "");
  if (type === "Precompiled") {
    const { normalize } = normalizer;
    // What is left for the library to normalize has no long runs out of order.
    normalizer.normalize = (text) =>
      normalize.call(normalizer, orderMarks(text.replace(REMOVED, ""), "NFKC"));
  }
}
