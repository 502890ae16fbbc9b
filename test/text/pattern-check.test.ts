// Regular expressions of tokenizers: those that models publish are used, those that backtrack without end are refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertPatternsSound, unprovenPatterns } from "../../src/text/pattern-check.ts";
import { LINEAR_SPLITS } from "../../src/text/pre-tokenizers.ts";

const split = (regex: string) => ({
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [{ type: "Split", pattern: { Regex: regex } }, { type: "ByteLevel" }],
  },
});
const check = (regex: string): Promise<void> => assertPatternsSound(split(regex), "student/tokenizer.json");

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const LEAD = "[^\\r\\n\\p{L}\\p{N}]?";
const SPACES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/** As they stand in the tokenizer.json of the models. */
const PUBLISHED: Readonly<Record<string, string>> = {
  "GPT-2, StarCoder": "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "Llama 3, Phi-4": `${CONTRACTIONS}|${LEAD}\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`,
  "Qwen2, Qwen3": `${CONTRACTIONS}|${LEAD}\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`,
  "Qwen3.5": `${CONTRACTIONS}|${LEAD}[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${SPACES}`,
  "GPT-4o, gpt-oss, Phi-4-mini": `${LEAD}${UPPER}*${LOWER}+${CONTRACTIONS}?|${LEAD}${UPPER}+${LOWER}*${CONTRACTIONS}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`,
  "Mistral Nemo": `${LEAD}${UPPER}*${LOWER}+|${LEAD}${UPPER}+${LOWER}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`,
  "DeepSeek V3, R1": `[!"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_\`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`,
  "DeepSeek LLM, Coder, the end": "\\s+$",
  "DeepSeek LLM, letters": "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-Ⴥ]+",
  "DeepSeek LLM, marks": "\\s?[!-/:-~！-／：-～‘-‟　-。]+",
  "DeepSeek, Han": "[一-龥\u3040-ゟ゠-ヿ]+",
  BLOOM: " ?[^(\\s|[.,!?…。，、।۔،])]+",
  "Kimi K2": `[\\p{Han}]+|${LEAD}[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+${CONTRACTIONS}?|${LEAD}[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*${CONTRACTIONS}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`,
  Falcon: "[0-9][0-9][0-9]",
};

test("expressions of published models pass, those that are known without a trial", async () => {
  for (const [models, regex] of Object.entries(PUBLISHED)) {
    await assert.doesNotReject(() => check(regex), models);
  }
  for (const models of [
    "GPT-2, StarCoder",
    "Llama 3, Phi-4",
    "Qwen2, Qwen3",
    "GPT-4o, gpt-oss, Phi-4-mini",
  ]) {
    assert.deepEqual(unprovenPatterns(split(PUBLISHED[models] ?? "")), [], models);
  }
  assert.deepEqual(unprovenPatterns({ pre_tokenizer: { type: "Metaspace", replacement: "▁" } }), []);
  assert.deepEqual(unprovenPatterns({ pre_tokenizer: { type: "Split", pattern: { String: " " } } }), []);
});

test("every expression that is used without a trial would pass it", async () => {
  for (const regex of LINEAR_SPLITS) {
    // In a group, so that it is none of those that are known.
    await assert.doesNotReject(() => check(`(?:${regex})`), regex);
  }
});

const HOSTILE: readonly string[] = [
  "(a|a)+z",
  "(?:x{50})(?:a|a)+z",
  "The quick brown fox(?:\\w|\\d)+;",
  "(a+)+$",
  "(\\w+\\s?)*$",
  "(.*a){20}",
  "(?:a|aa)+$",
  "(a|b|ab)*c",
  "(x+x+)+y",
  "(?=(a+)+b)",
  "(?<=y(a|a)+z)b",
  "(?i:(a|A)+)z",
  "(?:\\p{L}|\\p{Lu})+\\d",
  "(?:a|a){1,40}z",
  "\\s*\\s*x",
  ".*x",
  "\\p{L}+\\d",
  "\\d+\\d+\\d+x",
  "(?:\\r\\n|\\r|\\n)+x",
  "(?:[a-z]{0,1000}){0,1000}x",
];

for (const regex of HOSTILE) {
  test(`refused by name: ${regex}`, async () => {
    await assert.rejects(() => check(regex), {
      code: "MAGDI_UNSUPPORTED",
      message:
        /^student\/tokenizer\.json: pre_tokenizer: the regular expression ".*" cannot be used: it takes more than/,
    });
  });
}

test("an expression that does not compile in time, is too long, or is none is refused by name", async () => {
  // V8 compiles the first for hours, and does not look whether it should stop.
  const cases: [regex: string, problem: RegExp][] = [
    ["a?".repeat(60) + "a".repeat(60), /cannot be compiled in time/],
    ["ab|".repeat(20_000), /has 60000 characters/],
    ["(((", /Unterminated group/],
    [`${"(?:".repeat(3000)}a${")".repeat(3000)}`, /no texts to try it on/],
  ];
  for (const [regex, problem] of cases) {
    await assert.rejects(() => check(regex), { code: "MAGDI_UNSUPPORTED", message: problem });
  }
});

test("a normalizer's expressions are tried too, and more than a tokenizer needs are refused", async () => {
  const normalizer = {
    type: "Sequence",
    normalizers: [{ type: "Replace", pattern: { Regex: "(a|a)+z" }, content: "" }],
  };
  await assert.rejects(() => assertPatternsSound({ normalizer }, "student/tokenizer.json"), {
    message: /tokenizer\.json: normalizer: the regular expression "\(a\|a\)\+z"/,
  });
  const pretokenizers = Array.from({ length: 100 }, (_, i) => ({
    type: "Split",
    pattern: { Regex: `a${i}` },
  }));
  await assert.rejects(
    () => assertPatternsSound({ pre_tokenizer: { type: "Sequence", pretokenizers } }, "x"),
    {
      message: /at most 32 regular expressions, found 100/,
    },
  );
});
