// Long runs of one kind: every pre-tokenizer splits them, and every tokenizer encodes them, in close to linear time.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/base/files/json-file.ts";
import { preTokenizerNamed, splitStep } from "../../src/text/pre-tokenizers.ts";
import { createTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import { assertLinear } from "../support/processor-time.ts";
import { SeededRandom } from "./seeded-random.ts";
import { readFixture } from "./tokenizer-fixtures.ts";

/** One name of each kind. */
const NAMES =
  "default falcon gpt-2 smollm llama-bpe dbrx qwen2 qwen35 stablelm2 tekken gpt-4o deepseek-v3 deepseek-coder deepseek-llm".split(
    " ",
  );
const UNITS = [
  "a",
  "aA",
  "1",
  ".",
  " ",
  "\t",
  "\n",
  " \n",
  "\u00a0",
  "'s",
  "_",
  "中A",
  "\u0300",
  "\u1100",
  "\u2028 ",
];

async function splitAt(...expressions: string[]): Promise<Tokenizer> {
  const definition = await readFixture<JsonObject>("byte-level/tokenizer.json");
  const config = await readFixture<JsonObject>("byte-level/tokenizer_config.json");
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const pretokenizers = [...expressions.map(splitStep), byteLevel];
  return createTokenizer(
    { ...definition, pre_tokenizer: { type: "Sequence", pretokenizers } },
    config,
    "runs",
  );
}

for (const name of NAMES) {
  test(`${name}: long runs are encoded in close to linear time`, async () => {
    const tokenizer = await splitAt(...preTokenizerNamed(name).splits);
    for (const unit of UNITS) {
      for (const end of ["", "5"]) {
        assertLinear(
          (text) => tokenizer.encode(text, { addSpecialTokens: false }),
          (length) => unit.repeat(Math.ceil(length / unit.length)) + end,
          8192,
          JSON.stringify([unit, end]),
          60,
        );
      }
    }
  });
}

test("spaces at an end are split off as the expression says", async () => {
  // The same expression, written so that it is not known.
  const [known, plain] = [await splitAt("\\s+$"), await splitAt("(?:\\s+)$")];
  const random = new SeededRandom(3);
  for (let i = 0; i < 3000; i++) {
    const text = Array.from({ length: 1 + random.below(12) }, () =>
      random.pick([" ", " ", "\n", "\r", "\t", "x", "5", "\u0085"]),
    ).join("");
    assert.deepEqual(
      known.encode(text, { addSpecialTokens: false }),
      plain.encode(text, { addSpecialTokens: false }),
      JSON.stringify(text),
    );
  }
});
