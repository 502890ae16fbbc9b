// Texts that come to more tokens than they may: when encoding gives up, and what it says then.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ggufTokenizerFiles } from "../../src/text/gguf-tokenizer.ts";
import { TooManyTokensError } from "../../src/text/token-limit.ts";
import { createTokenizer, openTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import type { JsonObject } from "../../src/text/tokenizer-json.ts";
import { toyTokenizer } from "../support/toy-tokenizer.ts";
import { byteLevelFolder, readFixture, sentencePieceMetadata } from "./tokenizer-fixtures.ts";

/** Longer than what is encoded in any case. */
const LONG = 40_000;

async function sentencePiece(): Promise<Tokenizer> {
  const files = ggufTokenizerFiles(await sentencePieceMetadata());
  return createTokenizer(
    JSON.parse(files["tokenizer.json"]) as JsonObject, // as ggufTokenizerFiles writes it
    JSON.parse(files["tokenizer_config.json"]) as JsonObject, // likewise
    "sentencepiece",
  );
}

const TEXTS = [
  "x",

  " ",
  "\n",
  "-",

  "a1",

  "e\u0301",
  "漢字",
  "🙂",
  "<|im_end|>",
  "a<|im_end|> ",
  "</s> b",
  "\u1100\u1161\u11a8",
];

for (const [kind, open] of [
  ["byte-level", () => openTokenizer(byteLevelFolder)],
  ["SentencePiece", sentencePiece],
  ["composing", composing],
] as const) {
  test(`a ${kind} text is given up only where it has more tokens, and fewer are never claimed`, async () => {
    const tokenizer = await open();
    const given = { up: 0, whole: 0 };
    for (const text of TEXTS) {
      const long = text.repeat(Math.ceil(LONG / text.length));
      const ids = tokenizer.encode(long, { addSpecialTokens: false });
      for (const part of [0.001, 0.5, 0.999, 1]) {
        const atMost = Math.floor(part * ids.length);
        try {
          assert.deepEqual(tokenizer.encode(long, { addSpecialTokens: false, atMost }), ids);
          given.whole++;
        } catch (error) {
          assert.ok(error instanceof TooManyTokensError, String(error));
          assert.ok(error.atLeast > atMost && error.atLeast <= ids.length, `${text}: ${error.atLeast}`);
          given.up++;
        }
      }
      // What one text left over does not count for the next.
      assert.deepEqual(tokenizer.encode(long, { addSpecialTokens: false }), ids);
    }
    assert.ok(given.up > 25 && given.whole >= TEXTS.length, JSON.stringify(given));
  });
}

test("a short text is encoded whatever it comes to", async () => {
  const tokenizer = await openTokenizer(byteLevelFolder);
  const text = "1 ".repeat(16_000);
  const encoding = { addSpecialTokens: false, atMost: 10 };
  assert.equal(tokenizer.encode(text, encoding).length, 32_000);
  assert.throws(() => tokenizer.encode(text.repeat(2), encoding), TooManyTokensError);
});

test("a vocabulary that leaves characters out gives up on nothing", () => {
  const tokenizer = toyTokenizer();
  const encoding = { addSpecialTokens: false, atMost: 10 };
  assert.equal(tokenizer.encode("Z".repeat(LONG), encoding).length, 0);
  assert.equal(tokenizer.encode("a".repeat(LONG), encoding).length, LONG);
});

/** One whose normalizer makes texts shorter before they are cut. */
async function composing(): Promise<Tokenizer> {
  const definition = await readFixture<JsonObject>("byte-level/tokenizer.json");
  const config = await readFixture<JsonObject>("byte-level/tokenizer_config.json");
  return createTokenizer({ ...definition, normalizer: { type: "NFC" } }, config, "composing");
}
