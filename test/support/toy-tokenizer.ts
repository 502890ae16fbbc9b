// A real byte-level tokenizer with 48 tokens, so that characters fall apart into tokens: letters, a space, the
// bytes of é, € and 😀, and three special tokens.

import { byteOfCharacter } from "../../src/text/byte-level-alphabet.ts";
import { createTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";

/** The end-of-sequence tokens: two, as students with a chat template have. */
export const TOY_EOS = 1;
export const TOY_END_OF_TURN = 2;
export const TOY_ENDS: readonly number[] = [TOY_EOS, TOY_END_OF_TURN];

export function toyTokenizer(): Tokenizer {
  const characterOf = new Map([...byteOfCharacter].map(([character, byte]) => [byte, character]));
  const specials = ["<unk>", "<eos>", "<end>"];
  const multiByte = new Set(Buffer.from("é€😀"));
  const bytes = [...Buffer.from("abcdefghijklmnopqrstuvwxyz .!0123456789\n"), ...multiByte];
  const vocab: Record<string, number> = {};
  for (const token of specials) vocab[token] = Object.keys(vocab).length;
  for (const byte of bytes) vocab[characterOf.get(byte)!] = Object.keys(vocab).length;
  return createTokenizer(
    {
      model: { type: "BPE", vocab, merges: [] },
      added_tokens: specials.map((content, id) => ({ content, id, special: true })),
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
      decoder: { type: "ByteLevel" },
    },
    {},
    "toy",
  );
}
