// A real byte-level tokenizer with 48 tokens, so that characters fall apart into tokens: letters, a space, the
// bytes of é, € and 😀, and three special tokens.

import { createTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";

/** The end-of-sequence tokens: two, as students with a chat template have. */
export const TOY_EOS = 1;
export const TOY_END_OF_TURN = 2;
export const TOY_ENDS: readonly number[] = [TOY_EOS, TOY_END_OF_TURN];

export function toyTokenizer(): Tokenizer {
  const specials = ["<unk>", "<eos>", "<end>"];
  const multiByte = new Set(Buffer.from("é€😀"));
  const bytes = [...Buffer.from("abcdefghijklmnopqrstuvwxyz .!0123456789\n"), ...multiByte];
  const vocab: Record<string, number> = {};
  for (const token of specials) vocab[token] = Object.keys(vocab).length;
  for (const byte of bytes) vocab[byteLevelCharacter(byte)] = Object.keys(vocab).length;
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

/** GPT-2's character for a byte, of those in the toy vocabulary: what cannot be printed stands above U+0100. */
function byteLevelCharacter(byte: number): string {
  if (byte <= 0x20) return String.fromCharCode(0x100 + byte);
  return String.fromCharCode(byte >= 0x7f && byte <= 0xa0 ? 0x121 + byte - 0x7f : byte);
}
