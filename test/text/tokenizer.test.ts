import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { PreTrainedTokenizer } from "@huggingface/transformers";
import { createTokenizer, openTokenizer } from "../../src/text/tokenizer.ts";
import type { JsonObject } from "../../src/text/tokenizer-json.ts";
import {
  type ByteLevelExpectation,
  byteLevelFolder,
  digest,
  readFixture,
  withFolder,
} from "./tokenizer-fixtures.ts";

const expected = await readFixture<ByteLevelExpectation>("byte-level/expected.json");
const definition = await readFixture<JsonObject>("byte-level/tokenizer.json");
const config = await readFixture<JsonObject>("byte-level/tokenizer_config.json");

test("ids and texts are those of the Rust tokenizers library", async () => {
  const tokenizer = await openTokenizer(byteLevelFolder);
  for (const { text, ids, decoded, skipped } of expected.texts) {
    assert.deepEqual([...tokenizer.encode(text, { addSpecialTokens: false })], ids, JSON.stringify(text));
    assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), decoded);
    assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), skipped);
  }
});

test("words without a break merge as in the Rust library, by the heap as by the scan", async () => {
  const tokenizer = await openTokenizer(byteLevelFolder);
  for (const { text, times, count, sha256 } of expected.long) {
    const ids = tokenizer.encode(text.repeat(times), { addSpecialTokens: false });
    assert.equal(ids.length, count);
    assert.equal(digest(ids), sha256, `${text} × ${times}`);
  }
});

test("transformers.js gives the same ids and texts", async () => {
  const tokenizer = await openTokenizer(byteLevelFolder);
  const oracle = new PreTrainedTokenizer(definition, config);
  // Where JavaScript's \d and \s are not Unicode's, the Rust library is the reference.
  const comparable = expected.texts.filter(({ text }) => text !== "" && !/[²³½٣٤Ⅷ\u0085\ufeff]/.test(text));
  assert.ok(comparable.length > 15);
  for (const { text } of comparable) {
    const ids = tokenizer.encode(text, { addSpecialTokens: true });
    assert.deepEqual([...ids], oracle.encode(text), JSON.stringify(text));
    assert.equal(
      tokenizer.decode(ids, { skipSpecialTokens: true }),
      oracle.decode([...ids], { skip_special_tokens: true }),
    );
  }
});

test("tokens, bytes and special ids", async () => {
  const tokenizer = await openTokenizer(byteLevelFolder);
  const end = tokenizer.idOf("<|im_end|>")!;
  assert.deepEqual([...tokenizer.specialTokenIds].sort(), [0, 1, 2]);
  assert.equal(tokenizer.tokenText(end), "<|im_end|>");
  assert.equal(tokenizer.idOf("<tool>"), tokenizer.vocabSize - 1);
  assert.ok(!tokenizer.specialTokenIds.has(tokenizer.idOf("<tool>")!));
  assert.deepEqual([...tokenizer.tokenBytes(tokenizer.idOf("Ġ")!)], [0x20]);
  assert.deepEqual([...tokenizer.tokenBytes(tokenizer.idOf("ä")!)], [0xe4]);
  assert.equal(tokenizer.tokenText(tokenizer.idOf("ä")!), "\ufffd");
  assert.equal(tokenizer.idOf("no such token"), undefined);
  for (const id of [-1, tokenizer.vocabSize, 1e9]) {
    assert.equal(tokenizer.tokenText(id), "");
    assert.equal(tokenizer.decode([id, end], { skipSpecialTokens: false }), "<|im_end|>");
  }
  assert.equal(tokenizer.decode([], { skipSpecialTokens: false }), "");
});

test("the post-processor's tokens come on request, for the empty text too, and are never doubled", () => {
  const bos = { SpecialToken: { id: "<|im_start|>", type_id: 0 } };
  const single = [bos, { Sequence: { id: "A", type_id: 0 } }];
  const special = { "<|im_start|>": { id: "<|im_start|>", ids: [1], tokens: ["<|im_start|>"] } };
  const post = { type: "TemplateProcessing", single, pair: single, special_tokens: special };
  const tokenizer = createTokenizer({ ...definition, post_processor: post }, config, "test");
  assert.deepEqual([...tokenizer.encode("", { addSpecialTokens: true })], [1]);
  assert.deepEqual([...tokenizer.encode("", { addSpecialTokens: false })], []);
  const [first, second] = tokenizer.encode("hi", { addSpecialTokens: true });
  assert.deepEqual([first, second], [1, tokenizer.encode("hi", { addSpecialTokens: false })[0]]);
  assert.equal(
    tokenizer.encode("<|im_start|>hi", { addSpecialTokens: false }).filter((id) => id === 1).length,
    1,
  );
});

test("Metaspace begins a word at each of its marks, unless told not to", () => {
  const vocab = { "▁": 0, a: 1, "▁a": 2, "▁a▁a": 3, "▁▁": 4 };
  const merges = ["▁ a", "▁a ▁a", "▁ ▁"];
  const idsOf = (text: string, split: JsonObject) => {
    const pre_tokenizer = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", ...split };
    const decoder = { type: "Metaspace", replacement: "▁", prepend_scheme: "always" };
    const tokenizer = createTokenizer(
      { model: { type: "BPE", vocab, merges }, pre_tokenizer, decoder },
      {},
      "test",
    );
    return [...tokenizer.encode(text, { addSpecialTokens: false })];
  };
  // As the Rust tokenizers library has them.
  for (const [text, words, whole] of [
    ["a a", [2, 2], [3]],
    ["a  a", [2, 0, 2], [2, 0, 2]],
    ["a   a", [2, 0, 0, 2], [2, 4, 2]],
    ["aa a", [2, 1, 2], [2, 1, 2]],
    ["  ", [0, 0], [4]],
  ] as const) {
    assert.deepEqual(idsOf(text, {}), words, text);
    assert.deepEqual(idsOf(text, { split: true }), words, text);
    assert.deepEqual(idsOf(text, { split: false }), whole, text);
  }
});

test("text round-trips byte for byte", async () => {
  const tokenizer = await openTokenizer(byteLevelFolder);
  for (const { text } of expected.texts) {
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), text);
  }
  assert.equal(
    tokenizer.decode(tokenizer.encode("a . b , c n't", { addSpecialTokens: false }), {
      skipSpecialTokens: true,
    }),
    "a . b , c n't",
  );
});

test("what cannot be read is refused with the path and the reason", async () => {
  const model = definition.model as JsonObject; // the fixture has one
  const open = (files: Record<string, string | null>): Promise<unknown> => withFolder(files, openTokenizer);
  const json = (change: JsonObject): Record<string, string> => ({
    "tokenizer.json": JSON.stringify({ ...definition, ...change }),
  });
  await assert.rejects(open({}), {
    code: "MAGDI_FILE_MISSING",
    message: /tokenizer\.json: expected a tokenizer/,
  });
  await assert.rejects(openTokenizer(join(byteLevelFolder, "tokenizer.json")), {
    code: "MAGDI_FILE_MISSING",
  });
  await assert.rejects(open({ "tokenizer.json": '{"model":' }), { code: "MAGDI_BAD_FILE" });
  await assert.rejects(open({ "tokenizer.json": "[]" }), { code: "MAGDI_BAD_FILE" });
  await assert.rejects(open(json({ model: {} })), { code: "MAGDI_BAD_FILE", message: /model\.vocab/ });
  await assert.rejects(open(json({ model: { ...model, type: "Unigram" } })), {
    code: "MAGDI_UNSUPPORTED",
    message: /"Unigram"/,
  });
  await assert.rejects(open(json({ model: { ...model, merges: [["Ġ", "qqq"]] } })), {
    code: "MAGDI_BAD_FILE",
    message: /merge 0 .*"qqq".*lacks/,
  });
  await assert.rejects(open(json({ model: { ...model, merges: ["Ġ"] } })), { code: "MAGDI_BAD_FILE" });
  for (const merge of [null, 7, {}, ["a"], ["a", "b", "ab"], ["a", 1]]) {
    await assert.rejects(open(json({ model: { ...model, merges: ["Ġ t", merge] } })), {
      code: "MAGDI_BAD_FILE",
      message: /merge 1 should be two tokens.*, found /,
    });
  }
  for (const id of ["x", "7", null, -1, 1.5, 5e9, 2 ** 24 + 1]) {
    const vocab = { ...(model.vocab as JsonObject), Zz: id }; // the fixture has one
    await assert.rejects(open(json({ model: { ...model, vocab } })), {
      code: "MAGDI_BAD_FILE",
      message: /tokenizer\.json: model\.vocab "Zz": expected a whole id from 0 to 16777216, found ./,
    });
    await assert.rejects(open(json({ added_tokens: [{ content: "x", id }] })), {
      code: "MAGDI_BAD_FILE",
      message: /added_tokens\[0\].* a whole id from 0 to 16777216/,
    });
  }
  await assert.rejects(open(json({ decoder: { type: "CTC" } })), {
    code: "MAGDI_UNSUPPORTED",
    message: /CTC/,
  });
  await assert.rejects(open(json({ decoder: null })), { code: "MAGDI_UNSUPPORTED" });
  await assert.rejects(open(json({ normalizer: { type: "Nmt" } })), {
    code: "MAGDI_UNSUPPORTED",
    message: /Nmt/,
  });
  await assert.rejects(open(json({ added_tokens: [{ content: "x" }] })), {
    code: "MAGDI_BAD_FILE",
    message: /added_tokens\[0\]/,
  });
});

test("a tokenizer opens without tokenizer_config.json", async () => {
  const content = await readFile(join(byteLevelFolder, "tokenizer.json"), "utf8");
  const tokenizer = await withFolder({ "tokenizer.json": content }, openTokenizer);
  assert.deepEqual([...tokenizer.specialTokenIds].sort(), [0, 1, 2]);
});
