// A vocabulary cut to what texts need: those texts keep their tokens, and every text can still be written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import type { JsonObject } from "../../src/base/files/json-file.ts";
import { type CutOptions, cutTokenizer } from "../../src/text/cut-tokenizer.ts";
import { ggufTokenizerFiles } from "../../src/text/gguf-tokenizer.ts";
import { createTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import {
  type ByteLevelExpectation,
  readFixture,
  type SentencePieceExpectation,
  sentencePieceMetadata,
} from "./tokenizer-fixtures.ts";

const expected = await readFixture<ByteLevelExpectation>("byte-level/expected.json");
const definition = await readFixture<JsonObject>("byte-level/tokenizer.json");
const config = await readFixture<JsonObject>("byte-level/tokenizer_config.json");
const TEXTS = expected.texts.map(({ text }) => text);
const SAMPLE = TEXTS.filter((_, index) => index % 2 === 1);

const filesOf = (tokenizer: JsonObject, tokenizerConfig: JsonObject = config) =>
  new Map([
    ["tokenizer.json", JSON.stringify(tokenizer)],
    ["tokenizer_config.json", JSON.stringify(tokenizerConfig)],
  ]);

const cut = (files: ReadonlyMap<string, string>, options: Partial<CutOptions> = {}) =>
  cutTokenizer(files, "base", {
    texts: SAMPLE,
    always: () => [],
    namedIds: new Set(),
    size: null,
    ...options,
  });

const opened = (files: ReadonlyMap<string, string>): Tokenizer =>
  createTokenizer(
    JSON.parse(files.get("tokenizer.json")!),
    JSON.parse(files.get("tokenizer_config.json")!),
    "test",
  );

const idsOf = (tokenizer: Tokenizer, text: string) => [
  ...tokenizer.encode(text, { addSpecialTokens: false }),
];

/** Texts of the sample have the tokens that they had; the others are written with other tokens, but written. */
async function assertCut(
  files: ReadonlyMap<string, string>,
  sample: readonly string[],
  others: readonly string[],
  options: Partial<CutOptions> = {},
) {
  const whole = opened(files);
  const result = await cut(files, { texts: sample, ...options });
  const small = opened(result.files);
  assert.equal(small.vocabSize, result.keptIds.length);
  assert.ok(small.vocabSize < whole.vocabSize, `${small.vocabSize} of ${whole.vocabSize}`);
  for (const text of sample) {
    const ids = idsOf(small, text).map((id) => result.keptIds[id]);
    assert.deepEqual(ids, idsOf(whole, text), JSON.stringify(text));
  }
  for (const text of others) {
    const decoded = small.decode(idsOf(small, text), { skipSpecialTokens: false });
    assert.equal(decoded, whole.decode(idsOf(whole, text), { skipSpecialTokens: false }));
  }
  for (const id of whole.specialTokenIds) {
    const token = whole.tokenText(id);
    assert.equal(result.keptIds[small.idOf(token)!], id, token);
    assert.ok(small.specialTokenIds.has(small.idOf(token)!), token);
  }
  return result;
}

test("a byte-level vocabulary", async () => {
  const result = await assertCut(filesOf(definition), SAMPLE, TEXTS);
  assert.equal(result.textTokens.kept, result.textTokens.all);
  const again = await assertCut(filesOf(definition), SAMPLE, TEXTS, { size: 500 });
  assert.equal(again.keptIds.length, 500);
});

test("the Rust library reads the cut tokenizer.json to the same tokens", async () => {
  const { files } = await cut(filesOf(definition), { size: 420 });
  const recorded = await readFixture<{ tokenizer: JsonObject; texts: { text: string; ids: number[] }[] }>(
    "cut/expected.json",
  );
  // What was recorded is what is written now.
  assert.deepEqual(JSON.parse(files.get("tokenizer.json")!), recorded.tokenizer);
  const small = opened(files);
  for (const { text, ids } of recorded.texts) assert.deepEqual(idsOf(small, text), ids, JSON.stringify(text));
});

test("pairs as merges, and words that are taken whole", async () => {
  const model = definition.model as JsonObject; // the fixture's
  const merges = (model.merges as (string | string[])[]).map((merge) =>
    typeof merge === "string" ? merge.split(" ") : merge,
  );
  for (const ignore_merges of [false, true]) {
    await assertCut(filesOf({ ...definition, model: { ...model, merges, ignore_merges } }), SAMPLE, TEXTS);
  }
});

test("SentencePiece with byte fallback", async () => {
  const recorded = await readFixture<SentencePieceExpectation>("sentencepiece/expected.json");
  const files = new Map(
    Object.entries(ggufTokenizerFiles(await sentencePieceMetadata())).flatMap(([name, text]) =>
      text === null ? [] : [[name, text] as const],
    ),
  );
  const texts = recorded.texts.map(({ text }) => text);
  await assertCut(files, texts.slice(0, 8), texts);
  const sized = await assertCut(files, texts.slice(0, 8), texts, { size: 450 });
  assert.equal(sized.keptIds.length, 450);
});

test("of tokens that do not all fit, the most frequent stay", async () => {
  const texts = [...Array<string>(50).fill("Natalia sold"), " clips"];
  const { files, textTokens } = await cut(filesOf(definition), { texts, size: 272 });
  const [whole, small] = [opened(filesOf(definition)), opened(files)];
  assert.equal(small.vocabSize, 272);
  assert.equal(idsOf(small, "Natalia sold").length, idsOf(whole, "Natalia sold").length);
  assert.ok(idsOf(small, " clips").length > idsOf(whole, " clips").length);
  assert.ok(textTokens.kept < textTokens.all);
});

test("ids follow in the post-processor, the padding, added_tokens_decoder and added_tokens.json", async () => {
  const tool = 602;
  const post_processor = {
    type: "Sequence",
    processors: [
      { type: "RobertaProcessing", sep: ["<|im_end|>", 2], cls: ["<tool>", tool], trim_offsets: true },
      {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<tool>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        pair: [],
        special_tokens: { "<tool>": { id: "<tool>", ids: [tool], tokens: ["<tool>"] } },
      },
    ],
  };
  const padding = { strategy: "BatchLongest", direction: "Right", pad_id: tool, pad_token: "<tool>" };
  const files = new Map(
    filesOf(
      { ...definition, post_processor, padding },
      { ...config, added_tokens_decoder: { [tool]: { content: "<tool>", special: false } } },
    ),
  ).set("added_tokens.json", JSON.stringify({ "<tool>": tool }));
  const result = await cut(files, { texts: ["Hello"] });
  const json = JSON.parse(result.files.get("tokenizer.json")!);
  const id = result.keptIds.indexOf(tool);
  assert.equal(id, result.keptIds.length - 1);
  assert.deepEqual(json.post_processor.processors[0].sep, ["<|im_end|>", 2]);
  assert.deepEqual(json.post_processor.processors[0].cls, ["<tool>", id]);
  assert.deepEqual(json.post_processor.processors[1].special_tokens["<tool>"].ids, [id]);
  assert.equal(json.padding.pad_id, id);
  assert.equal(json.added_tokens.at(-1).id, id);
  const written = JSON.parse(result.files.get("tokenizer_config.json")!);
  assert.deepEqual(Object.keys(written.added_tokens_decoder), [String(id)]);
  assert.deepEqual(JSON.parse(result.files.get("added_tokens.json")!), { "<tool>": id });
});

test("named and required tokens stay", async () => {
  const { keptIds } = await cut(filesOf(definition), {
    texts: ["a"],
    namedIds: new Set([599]),
    always: (tokenizer) => [tokenizer.encode("Natalia", { addSpecialTokens: false })],
  });
  assert.ok(keptIds.includes(599));
  for (const id of idsOf(opened(filesOf(definition)), "Natalia")) assert.ok(keptIds.includes(id));
});

test("refused by name: what could not write every text, and sizes that are too small", async () => {
  const model = definition.model as JsonObject; // the fixture's
  const { ä, ...vocab } = model.vocab as JsonObject; // likewise
  const refused = async (
    tokenizer: JsonObject,
    code: string,
    pattern: RegExp,
    options: Partial<CutOptions> = {},
  ) =>
    assert.rejects(cut(filesOf(tokenizer), options), (error: unknown) => {
      assert.ok(error instanceof MagdiError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, pattern);
      return true;
    });
  const without = { ...definition, model: { ...model, vocab: { ...vocab, other: ä }, merges: [] } };
  await refused(without, "MAGDI_UNSUPPORTED", /all bytes, found none for byte 228/, { texts: ["a"] });
  const plain = { ...definition, pre_tokenizer: { type: "Digits", individual_digits: true } };
  await refused(plain, "MAGDI_UNSUPPORTED", /a ByteLevel pre-tokenizer, or byte_fallback/, { texts: ["a"] });
  const fallback = { ...plain, model: { ...model, byte_fallback: true, unk_token: "<|endoftext|>" } };
  await refused(fallback, "MAGDI_UNSUPPORTED", /found none for byte 0 \("<0x00>"\)/, { texts: ["a"] });
  await refused({ ...definition, model: { ...model, type: "Unigram" } }, "MAGDI_UNSUPPORTED", /type BPE/);
  await refused(definition, "MAGDI_BAD_CONFIG", /expected at least 260 for base/, { size: 259 });
  await refused(definition, "MAGDI_BAD_CONFIG", /expected texts/, { texts: [] });
  const post_processor = { type: "Unheard", ids: [5] };
  await refused({ ...definition, post_processor }, "MAGDI_UNSUPPORTED", /Unheard/);
});

test("files that nest without end are refused by name", async () => {
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    const deep = filesOf(definition).set(name, "[".repeat(100_000));
    await assert.rejects(cut(deep), (error) => {
      assert.ok(error instanceof MagdiError && error.code === "MAGDI_BAD_FILE");
      assert.match(error.message, new RegExp(`base: ${name}: expected a JSON object that nests at most`));
      return true;
    });
  }
});
