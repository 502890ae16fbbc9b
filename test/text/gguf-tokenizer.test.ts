import assert from "node:assert/strict";
import { test } from "node:test";
import { PreTrainedTokenizer } from "@huggingface/transformers";
import { openChatTemplate } from "../../src/text/chat-template.ts";
import { ggufEndTokenIds, ggufTokenizerFiles } from "../../src/text/gguf-tokenizer.ts";
import { createTokenizer, openTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import type { JsonObject } from "../../src/text/tokenizer-json.ts";
import {
  type ByteLevelExpectation,
  digest,
  readFixture,
  type SentencePieceExpectation,
  sentencePieceMetadata,
  withFolder,
} from "./tokenizer-fixtures.ts";

const expected = await readFixture<ByteLevelExpectation>("byte-level/expected.json");
const byteLevel = await byteLevelMetadata();

interface TokenizerJson {
  readonly model: { readonly vocab: Record<string, number>; readonly merges: [string, string][] };
  readonly added_tokens: { readonly id: number; readonly content: string; readonly special: boolean }[];
}

/** The byte-level fixture as a GGUF would hold it, padded with two fillers. */
async function byteLevelMetadata(): Promise<Map<string, unknown>> {
  const { model, added_tokens } = await readFixture<TokenizerJson>("byte-level/tokenizer.json");
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  for (const { id, content } of added_tokens) tokens[id] = content;
  const types = tokens.map(() => 1);
  for (const { id, special } of added_tokens) types[id] = special ? 3 : 4;
  tokens.push(`[PAD${tokens.length}]`, `[PAD${tokens.length + 1}]`);
  types.push(5, 5);
  return new Map<string, unknown>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", "smollm"],
    ["tokenizer.ggml.tokens", tokens],
    ["tokenizer.ggml.token_type", Int32Array.from(types)],
    ["tokenizer.ggml.merges", model.merges.map((merge) => merge.join(" "))],
    ["tokenizer.ggml.bos_token_id", 1],
    ["tokenizer.ggml.eos_token_id", 2],
    ["tokenizer.ggml.padding_token_id", 5],
  ]);
}

const changed = (metadata: Map<string, unknown>, changes: JsonObject): Map<string, unknown> => {
  const copy = new Map(metadata);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) copy.delete(`tokenizer.ggml.${key}`);
    else copy.set(`tokenizer.ggml.${key}`, value);
  }
  return copy;
};

const open = (metadata: Map<string, unknown>): Promise<Tokenizer> =>
  withFolder({ ...ggufTokenizerFiles(metadata) }, openTokenizer);

const idsOf = (tokenizer: Tokenizer, text: string, addSpecialTokens = false): number[] => [
  ...tokenizer.encode(text, { addSpecialTokens }),
];

test("each pre-tokenizer splits as the Rust library does with the model's own tokenizer.json", async () => {
  for (const [pre, rows] of Object.entries(expected.pre)) {
    const tokenizer = await open(changed(byteLevel, { pre }));
    for (const [i, ids] of rows.entries()) {
      const { text } = expected.texts[i]!;
      assert.deepEqual(idsOf(tokenizer, text), ids, `${pre}: ${JSON.stringify(text)}`);
    }
  }
});

test("byte-level tokens decode as in the reference; fillers are no tokens", async () => {
  const tokenizer = await open(byteLevel);
  for (const { ids, decoded, skipped } of expected.texts) {
    assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), decoded);
    assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), skipped);
  }
  assert.equal(tokenizer.vocabSize, expectedTokens(byteLevel).length - 2);
  assert.equal(tokenizer.tokenText(tokenizer.vocabSize), "");
  // Padding names an ordinary token, which does not make it special.
  assert.deepEqual([...tokenizer.specialTokenIds].sort(), [0, 1, 2]);
});

const expectedTokens = (metadata: Map<string, unknown>): readonly string[] =>
  metadata.get("tokenizer.ggml.tokens") as string[]; // set above

test("SentencePiece ids and texts are those of sentencepiece", async () => {
  const reference = await readFixture<SentencePieceExpectation>("sentencepiece/expected.json");
  const tokenizer = await open(await sentencePieceMetadata());
  for (const { text, ids, decoded } of reference.texts) {
    assert.deepEqual(idsOf(tokenizer, text), ids, JSON.stringify(text));
    assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), decoded);
  }
  for (const { text, times, count, sha256 } of reference.long) {
    const ids = idsOf(tokenizer, text.repeat(times));
    assert.equal(ids.length, count);
    assert.equal(digest(ids), sha256, `${text} × ${times}`);
  }
});

test("SentencePiece: byte tokens, special and user-defined tokens, and the space after each", async () => {
  const metadata = await sentencePieceMetadata();
  const tokenizer = await open(metadata);
  const space = tokenizer.idOf("▁")!;
  const x = tokenizer.idOf("x")!;
  assert.deepEqual(idsOf(tokenizer, "<s><tool>x"), [1, tokenizer.idOf("<tool>")!, space, x]);
  assert.deepEqual(idsOf(tokenizer, "x", true), [1, space, x]);
  assert.deepEqual([...tokenizer.tokenBytes(tokenizer.idOf("<0xE4>")!)], [0xe4]);
  assert.deepEqual([...tokenizer.tokenBytes(space)], [0x20]);
  assert.deepEqual([...tokenizer.specialTokenIds].sort(), [0, 1, 2]);
  const bare = await open(changed(metadata, { add_space_prefix: false, add_bos_token: false }));
  assert.deepEqual(idsOf(bare, "x", true), [x]);
  assert.equal(bare.decode([space, x], { skipSpecialTokens: true }), " x");
});

test("BOS and EOS come where the file or its pre-tokenizer says", async () => {
  const text = "hi";
  const at = async (changes: JsonObject): Promise<number[]> =>
    idsOf(await open(changed(byteLevel, changes)), text, true);
  const plain = await at({});
  assert.deepEqual(await at({ add_bos_token: true }), [1, ...plain]);
  assert.deepEqual(await at({ add_bos_token: true, add_eos_token: true }), [1, ...plain, 2]);
  assert.equal((await at({ pre: "llama-bpe" }))[0], 1);
  assert.deepEqual(await at({ pre: "llama-bpe", add_bos_token: false }), plain);
});

test("the files serve transformers.js and the chat template", async () => {
  const metadata = await sentencePieceMetadata();
  const files = ggufTokenizerFiles(metadata);
  const tokenizerJson: JsonObject = JSON.parse(files["tokenizer.json"]);
  const config: JsonObject = JSON.parse(files["tokenizer_config.json"]);
  const oracle = new PreTrainedTokenizer(tokenizerJson, config);
  const ours = createTokenizer(tokenizerJson, config, "test");
  const chat = [{ role: "user", content: "Natalia sold 48 clips" }];
  const rendered = (await withFolder({ ...files }, openChatTemplate))?.render(chat, {
    addGenerationPrompt: true,
  });
  assert.equal(rendered, "<s>[user] Natalia sold 48 clips");
  assert.equal(oracle.apply_chat_template(chat, { tokenize: false, add_generation_prompt: true }), rendered);
  const ids = idsOf(ours, rendered);
  assert.deepEqual(ids, oracle.encode(rendered, { add_special_tokens: false }));
  assert.equal(ids.filter((id) => id === 1).length, 1);
  assert.equal(config.model_max_length, 2048);
  assert.equal(config.clean_up_tokenization_spaces, false);
});

test("end tokens are the file's and those whose text ends a turn", () => {
  assert.deepEqual(ggufEndTokenIds(byteLevel), [0, 2]);
  assert.deepEqual(ggufEndTokenIds(changed(byteLevel, { eos_token_id: 7, eot_token_id: 2 })), [0, 2, 7]);
});

test("what is missing, contradictory or not known is named", () => {
  const refused = (changes: JsonObject, code: string, message: RegExp): void => {
    assert.throws(() => ggufTokenizerFiles(changed(byteLevel, changes)), { code, message });
  };
  refused({ model: "t5" }, "MAGDI_UNSUPPORTED", /"t5"/);
  refused({ model: undefined }, "MAGDI_UNSUPPORTED", /no such key/);
  refused({ pre: "my-own-pre" }, "MAGDI_UNSUPPORTED", /"my-own-pre", known are .*llama-bpe/);
  refused({ merges: undefined }, "MAGDI_BAD_FILE", /merges should be a list of strings/);
  refused({ tokens: ["a", 1] }, "MAGDI_BAD_FILE", /tokens should be a list of strings/);
  refused({ tokens: ["a", "b", "a"] }, "MAGDI_BAD_FILE", /"a" twice, as 0 and 2/);
  refused({ token_type: [1] }, "MAGDI_BAD_FILE", /token_type has 1 entries for/);
  refused({ add_bos_token: "yes" }, "MAGDI_BAD_FILE", /should be true or false/);
  refused({ add_bos_token: true, bos_token_id: undefined }, "MAGDI_BAD_FILE", /bos_token_id is missing/);
  refused({ model: "llama" }, "MAGDI_BAD_FILE", /scores should be a list of numbers/);
});

test("a token named __proto__ and an empty one keep their ids", async () => {
  const tokens = [...expectedTokens(byteLevel).slice(0, -2), "__proto__", ""];
  const tokenizer = await open(changed(byteLevel, { tokens }));
  assert.equal(tokenizer.idOf("__proto__"), tokens.length - 2);
  assert.equal(tokenizer.idOf(`[EMPTY_${tokens.length - 1}]`), tokens.length - 1);
});
