// Normalization in linear time: the same text as the engine's for any text, whatever the marks, on every path that
// tokenises.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/base/files/json-file.ts";
import { createTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import { normalizeUnicode } from "../../src/text/unicode-normalizer.ts";
import { assertLinear } from "../support/processor-time.ts";
import { SeededRandom } from "./seeded-random.ts";
import { readFixture } from "./tokenizer-fixtures.ts";

const FORMS = ["NFC", "NFD", "NFKC", "NFKD"] as const;

/** All marks, and what they meet: bases, composed letters, jamo, half-width kana and marks, halves of characters. */
const MARKS: readonly string[] = Array.from({ length: 0x110000 }, (_, code) => code)
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCodePoint(code))
  .filter((character) => /\p{M}/u.test(character));
const OTHERS = [..."aǖé가ᄀ\u1161\u11a8か\u3131\u{1d15f}ﬁ", "\uff9e", "\uff9f", "\ud834", "\udd65"];

/** Runs in which each mark has to pass many others. */
const RUNS: Record<string, string> = {
  "two classes": "\u0300\u0316",
  "four classes": "\u0345\u0300\u0316\u0334",
  "voiced marks": "\u3099\u0300",
  "marks beyond the BMP": "\u{1e8d0}\u0300",
  "marks of music": "\u{1d165}\u{1d16d}\u{1d17b}",
  "marks that decompose": "\u0344\u0316",
  "marks of two marks": "\u0f73\u0f71",
  "half-width marks": "\uff9e\u0316",
  "marks between a joiner": "\u034f\u0300\u0316",
  "marks and controls": "\u0300\u0001\u0316\u0001",
  jamo: "\u1100\u1161\u11a8",
  "leading jamo": "\u1100",
  syllables: "가\u11a8",
  "signs that compose": "\u09c7\u09be",
  ligatures: "\ufdfa",
  "all marks": MARKS.join(""),
};

test("a text is normalized as the engine does it", () => {
  const random = new SeededRandom(21);
  for (let i = 0; i < 600; i++) {
    const few = Array.from({ length: 1 + random.below(6) }, () => random.pick(MARKS));
    const pool = random.below(2) === 0 ? few : MARKS;
    let text = "";
    for (let length = random.below(200); length >= 0; length--)
      text += random.below(40) === 0 ? random.pick(OTHERS) : random.pick(pool);
    for (const form of FORMS)
      assert.equal(normalizeUnicode(text, form), text.normalize(form), JSON.stringify([form, text]));
  }
  for (const [name, run] of Object.entries(RUNS)) {
    const text = `x${run.repeat(Math.ceil(300 / run.length))}y`;
    for (const form of FORMS) assert.equal(normalizeUnicode(text, form), text.normalize(form), name);
  }
});

test("each run is normalized in linear time", () => {
  for (const [kind, run] of Object.entries(RUNS))
    for (const form of FORMS)
      assertLinear(
        (text) => normalizeUnicode(text, form),
        (length) => `a${run.repeat(Math.ceil(length / run.length))}x`,
        65_536,
        `${form}, ${kind}`,
        100,
      );
});

/** Of the runs, those with which the engine alone takes quadratic time. */
const OUT_OF_ORDER = [
  "two classes",
  "marks beyond the BMP",
  "marks of two marks",
  "half-width marks",
  "marks and controls",
];

const NORMALIZERS: Record<string, JsonObject> = {
  ...Object.fromEntries(FORMS.map((type) => [type, { type }])),
  Lowercase: { type: "Lowercase" },
  StripAccents: { type: "StripAccents" },
  Sequence: {
    type: "Sequence",
    normalizers: [
      { type: "Replace", pattern: { String: "\u0001" }, content: "" },
      { type: "Replace", pattern: { Regex: "x{2,}" }, content: "x" },
      { type: "Sequence", normalizers: [{ type: "NFKD" }, { type: "StripAccents" }] },
      { type: "Strip", strip_left: true, strip_right: true },
      { type: "NFC" },
    ],
  },
};

async function tokenizerWith(normalizer: JsonObject | null): Promise<Tokenizer> {
  const definition = await readFixture<JsonObject>("byte-level/tokenizer.json");
  const config = await readFixture<JsonObject>("byte-level/tokenizer_config.json");
  return createTokenizer({ ...definition, normalizer }, config, "normalizing");
}

for (const [name, normalizer] of Object.entries(NORMALIZERS)) {
  test(`a tokenizer with the normalizer ${name} takes linear time`, async () => {
    const tokenizer = await tokenizerWith(normalizer);
    for (const kind of OUT_OF_ORDER) {
      const run = RUNS[kind]!;
      assertLinear(
        (text) => tokenizer.encode(text, { addSpecialTokens: false }),
        (length) => `a${run.repeat(Math.ceil(length / run.length))}x`,
        32_768,
        `${name}, ${kind}`,
        200,
      );
    }
  });
}

test("the ids of a long run are those of its normalized text", async () => {
  const plain = await tokenizerWith(null);
  for (const form of FORMS) {
    const tokenizer = await tokenizerWith({ type: form });
    for (const run of Object.values(RUNS)) {
      const text = `a${run.repeat(Math.ceil(500 / run.length))}x`;
      const ids = tokenizer.encode(text, { addSpecialTokens: false });
      assert.deepEqual(ids, plain.encode(text.normalize(form), { addSpecialTokens: false }));
    }
  }
});
