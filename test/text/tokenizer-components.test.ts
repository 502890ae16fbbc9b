// Every component of a tokenizer.json over hostile texts: the Rust tokenizers library's ids, or refused by name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { isObject, type JsonObject } from "../../src/base/files/json-file.ts";
import { createTokenizer } from "../../src/text/tokenizer.ts";
import { readFixture } from "./tokenizer-fixtures.ts";

interface Case {
  readonly name: string;
  /** Whether the post-processor's tokens are added. */
  readonly post: boolean;
  /** What differs from the plain tokenizer; null: removed. */
  readonly definition: JsonObject;
  readonly model: JsonObject;
  /** Of each text; absent: as the first case's. */
  readonly ids?: readonly (readonly number[])[];
  readonly decoded?: readonly string[];
}

const recorded = await readFixture<{
  tokenizer: JsonObject;
  texts: readonly string[];
  cases: readonly Case[];
}>("components/expected.json");
const plain = recorded.cases[0]!;

/** What is refused, and the word of the error that names it. */
const REFUSED: Readonly<Record<string, string>> = {
  "split any case": "(?i)",
  scripts: "UnicodeScripts",
  "metaspace first after strip": "prepend_scheme",
  nmt: "Nmt",
  "byte level normalizer": "ByteLevel",
  "bert normalizer": "BertNormalizer",
  "bert normalizer cased": "BertNormalizer",
  "replace empty matches": "x*",
  "replace line start": "^",
  "dropout one": "model.dropout",
  "byte fallback with few bytes": "model.byte_fallback",
  "continuing prefix": "model.continuing_subword_prefix",
  "end of word": "model.end_of_word_suffix",
  "decoder replace regex": "Replace",
  "decoder bpe": "BPEDecoder",
  "decoder wordpiece": "WordPiece",
  "decoder ctc": "CTC",
  "decoder none": "expected a decoder, found null",
  wordpiece: "WordPiece",
  "word level": "WordLevel",
  "post template other id": "post_processor",
  "post template two ids": "post_processor",
  "post bert other id": "post_processor",
};

for (const { name, post, definition, model, ids = plain.ids!, decoded = plain.decoded! } of recorded.cases) {
  test(name, () => {
    const base = recorded.tokenizer.model;
    assert.ok(isObject(base));
    const merged = Object.fromEntries(
      Object.entries({ ...base, ...model }).filter(([key]) => model[key] !== null || key !== "merges"),
    );
    const made = { ...recorded.tokenizer, ...definition, model: merged };
    const refusal = REFUSED[name];
    if (refusal !== undefined) {
      assert.throws(
        () => createTokenizer(made, {}, "tokenizer.json"),
        (error: unknown) => {
          assert.ok(error instanceof MagdiError, String(error));
          assert.equal(error.code, "MAGDI_UNSUPPORTED");
          assert.ok(error.message.startsWith("tokenizer.json: "), error.message);
          assert.ok(error.message.includes(refusal), error.message);
          return true;
        },
      );
      return;
    }
    const tokenizer = createTokenizer(made, {}, "tokenizer.json");
    for (const [index, text] of recorded.texts.entries()) {
      const found = [...tokenizer.encode(text, { addSpecialTokens: post })];
      assert.deepEqual(found, ids[index], JSON.stringify(text));
      const read = tokenizer.decode(found, { skipSpecialTokens: false });
      assert.equal(read, decoded[index], `decoded ${JSON.stringify(text)}`);
    }
  });
}
