// Encodes text step by step as the Rust tokenizers library does: added tokens, normalizer, added tokens in normalized text,
// pre-tokenizer, model, post-processor.

import { AddedTokenSplitter } from "./added-token-splitter.ts";
import type { AddedToken } from "./tokenizer-json.ts";

/** The steps. They are looked up for each text, as others may put themselves in their place. */
interface Steps {
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer:
    | ((text: string, options: { readonly isFirst: boolean }) => readonly string[])
    | null;
  readonly model: { readonly bpe: (word: string) => readonly string[] };
}

export interface ModelOptions {
  /** The model's own vocabulary, without added tokens. */
  readonly vocab: ReadonlyMap<string, number>;
  /** Null: unknown characters are left out before their neighbours are merged. */
  readonly unknownId: number | null;
  /** Whether there are unknown characters. */
  readonly isComplete: boolean;
  readonly fuseUnknown: boolean;
  readonly byteFallback: boolean;
  readonly ignoreMerges: boolean;
}

const utf8 = new TextEncoder();

/** The ids of a text, without those that a post-processor adds. */
export function createTextEncoder(
  steps: Steps,
  added: readonly AddedToken[],
  model: ModelOptions,
): (text: string) => number[] {
  const ofNormalized = (token: AddedToken): string => steps.normalizer?.(token.content) ?? token.content;
  // Special tokens come first where two are written alike.
  const inOrder = [...added.filter(({ special }) => special), ...added.filter(({ special }) => !special)];
  const asTheyAre = inOrder.filter(({ normalized }) => !normalized);
  const normalized = inOrder.filter((token) => token.normalized);
  const before = new AddedTokenSplitter(asTheyAre, ({ content }) => content);
  const after = new AddedTokenSplitter(normalized, ofNormalized);
  return (text) => {
    const ids: number[] = [];
    for (const [index, part] of before.split(text).entries()) {
      if (typeof part === "number") {
        ids.push(part);
        continue;
      }
      const plain = steps.normalizer === null ? part : steps.normalizer(part);
      for (const [place, piece] of after.split(plain).entries()) {
        if (typeof piece === "number") {
          ids.push(piece);
          continue;
        }
        const isFirst = index === 0 && place === 0;
        const words = steps.pre_tokenizer === null ? [piece] : steps.pre_tokenizer(piece, { isFirst });
        for (const word of words) pushWord(ids, word, steps, model);
      }
    }
    return ids;
  };
}

function pushWord(ids: number[], word: string, { model: { bpe } }: Steps, model: ModelOptions): void {
  const whole = model.ignoreMerges ? model.vocab.get(word) : undefined;
  if (whole !== undefined) {
    ids.push(whole);
    return;
  }
  const dropsUnknown = model.unknownId === null && !model.isComplete;
  const known = dropsUnknown ? [...word].filter((character) => model.vocab.has(character)).join("") : word;
  let wasUnknown = false;
  for (const piece of bpe(known)) {
    const id = model.vocab.get(piece);
    if (id !== undefined) {
      ids.push(id);
      wasUnknown = false;
      continue;
    }
    const bytes = model.byteFallback ? byteIds(piece, model.vocab) : null;
    if (bytes !== null) {
      ids.push(...bytes);
      wasUnknown = false;
    } else if (model.unknownId !== null) {
      if (!wasUnknown || !model.fuseUnknown) ids.push(model.unknownId);
      wasUnknown = true;
    }
  }
}

/** The tokens of a text's bytes; null when the vocabulary lacks one. */
function byteIds(text: string, vocab: ReadonlyMap<string, number>): number[] | null {
  const ids: number[] = [];
  for (const byte of utf8.encode(text)) {
    const id = vocab.get(byteToken(byte));
    if (id === undefined) return null;
    ids.push(id);
  }
  return ids;
}

/** @example byteToken(10) // "<0x0A>" */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}
