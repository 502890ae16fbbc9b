// Tokenizers as the metadata of GGUF files: held to what gguf-py reads out of the same folders, and read back.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ggufTokenizerFiles } from "../../src/text/gguf-tokenizer.ts";
import { type GgufTokenizerOptions, ggufTokenizerFields } from "../../src/text/gguf-tokenizer-fields.ts";
import { createTokenizer } from "../../src/text/tokenizer.ts";
import {
  type ByteLevelExpectation,
  readFixture,
  type SentencePieceExpectation,
  sentencePieceMetadata,
} from "./tokenizer-fixtures.ts";

const OPTIONS = { vocabSize: 640, endIds: [2], bosId: null, origin: "test" };

function filesOf(folder: string): Map<string, string> {
  const names = ["tokenizer.json", "tokenizer_config.json"];
  return new Map(names.map((name) => [name, readFileSync(path.join(folder, name), "utf8")]));
}

const fixtureFiles = () => filesOf("test/fixtures/tokenizers/byte-level");

/** The values that a reader of the file gets. */
function metadataOf(files: ReadonlyMap<string, string>, options: Partial<GgufTokenizerOptions> = {}) {
  const { fields, notes } = ggufTokenizerFields(files, { ...OPTIONS, ...options });
  const values = [...fields].map(([key, field]): [string, unknown] => [
    key,
    field.type === "array" ? Array.from<unknown>(field.values as ArrayLike<unknown>) : field.value,
  ]);
  return { metadata: new Map(values), notes };
}

function changed(change: (tokenizer: Record<string, unknown>) => void): Map<string, string> {
  const files = fixtureFiles();
  const tokenizer = JSON.parse(files.get("tokenizer.json")!) as Record<string, unknown>; // a fixture
  change(tokenizer);
  return files.set("tokenizer.json", JSON.stringify(tokenizer));
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

for (const [name, folder, options] of [
  ["byte-level", "test/fixtures/tokenizers/byte-level", {}],
  ["smollm2", "models/smollm2-135m-instruct", { vocabSize: 49152, endIds: [0, 2] }],
] as const) {
  test(`${name}: ids, merges and template are what llama.cpp's converter writes`, async () => {
    const recorded = (await readFixture<Record<string, SpecialVocab>>("special-vocab.json"))[name]!;
    const { metadata, notes } = metadataOf(filesOf(folder), options);
    const ids = { bos: "bos", eos: "eos", unk: "unknown", pad: "padding" };
    for (const [short, long] of Object.entries(ids)) {
      assert.equal(metadata.get(`tokenizer.ggml.${long}_token_id`), recorded.ids[short], short);
    }
    assert.equal(metadata.get("tokenizer.ggml.pre"), "smollm");
    assert.equal(metadata.get("tokenizer.ggml.add_bos_token"), recorded.add.bos ?? false);
    assert.equal(sha256((metadata.get("tokenizer.ggml.merges") as string[]).join("\n")), recorded.merges);
    const template = metadata.get("tokenizer.chat_template");
    assert.equal(typeof template === "string" ? sha256(template) : null, recorded.template);
    assert.equal((metadata.get("tokenizer.ggml.tokens") as string[]).length, options.vocabSize ?? 640);
    assert.deepEqual(notes, []);
  });
}

interface SpecialVocab {
  readonly ids: Readonly<Record<string, number>>;
  readonly add: Readonly<Record<string, boolean>>;
  readonly merges: string;
  readonly template: string | null;
}

test("a byte-level tokenizer that went through a GGUF file has the same ids", async () => {
  const { metadata } = metadataOf(fixtureFiles());
  const types = metadata.get("tokenizer.ggml.token_type") as number[];
  // Special, special, special; a user's; a row without a token.
  assert.deepEqual([types[0], types[1], types[2], types[602], types[639]], [3, 3, 3, 4, 5]);
  assert.equal((metadata.get("tokenizer.ggml.tokens") as string[])[639], "[PAD639]");
  const files = ggufTokenizerFiles(metadata);
  const tokenizer = createTokenizer(
    JSON.parse(files["tokenizer.json"]),
    JSON.parse(files["tokenizer_config.json"]),
    "test",
  );
  const { texts } = await readFixture<ByteLevelExpectation>("byte-level/expected.json");
  for (const { text, ids } of texts) {
    assert.deepEqual([...tokenizer.encode(text, { addSpecialTokens: false })], [...ids], text);
  }
});

test("a SentencePiece tokenizer that went through a GGUF file is the same tokenizer.json", async () => {
  const original = await sentencePieceMetadata();
  const files = ggufTokenizerFiles(original);
  const { metadata, notes } = metadataOf(
    new Map([
      ["tokenizer.json", files["tokenizer.json"]],
      ["tokenizer_config.json", files["tokenizer_config.json"]],
    ]),
    { vocabSize: (original.get("tokenizer.ggml.tokens") as string[]).length },
  );
  for (const key of ["tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"]) {
    assert.deepEqual(metadata.get(key), original.get(key), key);
  }
  assert.deepEqual(notes, []);
  assert.equal(metadata.get("tokenizer.ggml.add_bos_token"), true);
  const again = ggufTokenizerFiles(metadata);
  assert.equal(again["tokenizer.json"], files["tokenizer.json"]);
  const tokenizer = createTokenizer(JSON.parse(again["tokenizer.json"]), {}, "test");
  const { texts } = await readFixture<SentencePieceExpectation>("sentencepiece/expected.json");
  for (const { text, ids } of texts) {
    assert.deepEqual([...tokenizer.encode(text, { addSpecialTokens: false })], [...ids], text);
  }
});

test("every pre-tokenizer by a name is found again by its splits", async () => {
  const { pre } = await readFixture<ByteLevelExpectation>("byte-level/expected.json");
  const { metadata } = metadataOf(fixtureFiles());
  // Names of the same splits; "default" is for files without a name.
  const others: Readonly<Record<string, RegExp>> = { default: /^$/ };
  for (const name of Object.keys(pre)) {
    if (others[name] !== undefined) continue;
    const files = ggufTokenizerFiles(new Map(metadata).set("tokenizer.ggml.pre", name));
    const tokenizerFiles = new Map([
      ["tokenizer.json", files["tokenizer.json"]],
      ["tokenizer_config.json", files["tokenizer_config.json"]],
    ]);
    const found = String(metadataOf(tokenizerFiles).metadata.get("tokenizer.ggml.pre"));
    const again = ggufTokenizerFiles(new Map(metadata).set("tokenizer.ggml.pre", found));
    const modelOf = (text: string) => {
      const { pre_tokenizer: splits, model } = JSON.parse(text);
      return { splits, ignores: model.ignore_merges };
    };
    assert.deepEqual(modelOf(again["tokenizer.json"]), modelOf(files["tokenizer.json"]), `${name}: ${found}`);
  }
});

test("the ends of an answer: the tokenizer's, one that llama.cpp knows, two more, and no fifth", () => {
  const { metadata, notes } = metadataOf(fixtureFiles(), { endIds: [0, 2, 40, 41, 42] });
  assert.equal(metadata.get("tokenizer.ggml.eos_token_id"), 2);
  assert.equal(metadata.get("tokenizer.ggml.eot_token_id"), 40);
  assert.equal(metadata.get("tokenizer.ggml.eom_token_id"), 41);
  assert.equal(notes.length, 1);
  assert.match(notes[0]!, /names three tokens that end an answer/);
});

test("what the post-processor puts around a text becomes flags", () => {
  const template = (single: unknown[]) => ({
    type: "TemplateProcessing",
    single,
    pair: [],
    special_tokens: {
      "<|im_start|>": { id: "<|im_start|>", ids: [1], tokens: ["<|im_start|>"] },
      "<|im_end|>": { id: "<|im_end|>", ids: [2], tokens: ["<|im_end|>"] },
    },
  });
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const text = { Sequence: { id: "A", type_id: 0 } };
  const processed = (single: unknown[]) =>
    changed((tokenizer) => {
      tokenizer.post_processor = template(single);
    });
  const both = metadataOf(processed([special("<|im_start|>"), text, special("<|im_end|>")])).metadata;
  assert.equal(both.get("tokenizer.ggml.add_bos_token"), true);
  assert.equal(both.get("tokenizer.ggml.add_eos_token"), true);
  assert.throws(() => metadataOf(processed([special("<|im_start|>"), special("<|im_start|>"), text])), {
    code: "MAGDI_UNSUPPORTED",
    message: /post_processor: expected at most one token before a text .*--to hf/,
  });
});

test("what llama.cpp would tokenise otherwise is refused by name, or said", () => {
  const refused = (change: (tokenizer: Record<string, unknown>) => void, message: RegExp): void => {
    assert.throws(() => metadataOf(changed(change)), { code: "MAGDI_UNSUPPORTED", message });
  };
  refused((tokenizer) => {
    tokenizer.normalizer = { type: "Lowercase" };
  }, /normalizer: expected none or NFC, found \{"type":"Lowercase"\}/);
  refused((tokenizer) => {
    tokenizer.pre_tokenizer = {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: "[a-z]+" }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      ],
    };
  }, /pre_tokenizer: expected one of those that llama.cpp has, found .*\[a-z\]/);
  refused((tokenizer) => {
    (tokenizer.model as Record<string, unknown>).ignore_merges = true;
  }, /with ignore_merges/);
  const files = fixtureFiles().set("tokenizer_config.json", "{}");
  assert.throws(() => metadataOf(files, { endIds: [] }), { code: "MAGDI_UNSUPPORTED", message: /eos_token/ });
  assert.throws(() => metadataOf(fixtureFiles(), { vocabSize: 600 }), {
    code: "MAGDI_BAD_FILE",
    message: /found token 602, "<tool>", and 600 rows/,
  });
  const stripping = changed((tokenizer) => {
    (tokenizer.added_tokens as Record<string, unknown>[])[3]!.lstrip = true;
  });
  assert.match(metadataOf(stripping).notes.join(), /takes no white space with the token "<tool>"/);
});

test("merges that no scores give are refused", async () => {
  const original = await sentencePieceMetadata();
  const files = ggufTokenizerFiles(original);
  const tokenizer = JSON.parse(files["tokenizer.json"]);
  const tokenizerFiles = (merges: unknown[]) =>
    new Map([
      ["tokenizer.json", JSON.stringify({ ...tokenizer, model: { ...tokenizer.model, merges } })],
      ["tokenizer_config.json", files["tokenizer_config.json"]],
    ]);
  const message = /model.merges: expected the order of SentencePiece's scores/;
  assert.throws(() => metadataOf(tokenizerFiles(tokenizer.model.merges.slice(1))), { message });
});
