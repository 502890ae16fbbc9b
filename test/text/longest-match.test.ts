import assert from "node:assert/strict";
import { test } from "node:test";
import { LongestMatch } from "../../src/text/longest-match.ts";
import { SeededRandom } from "./seeded-random.ts";

test("replaces what an expression of all words, the longest first, replaces", () => {
  const random = new SeededRandom(11);
  const texts = (count: number, longest: number): string[] =>
    Array.from({ length: count }, () =>
      Array.from(
        { length: 1 + random.below(longest) },
        () => ["a", "b", "<", "|", "é", "😀"][random.below(6)],
      ).join(""),
    );
  for (let round = 0; round < 40; round++) {
    const words = texts(1 + random.below(12), 4);
    const longestFirst = [...words].sort((a, b) => b.length - a.length);
    const all = new RegExp(longestFirst.map((word) => word.replaceAll("|", "\\|")).join("|"), "g");
    const match = new LongestMatch(words);
    for (const text of ["", ...texts(20, 30)]) {
      const replaced = match.replace(text, (word) => `[${word}]`);
      assert.equal(
        replaced,
        text.replace(all, (word) => `[${word}]`),
        JSON.stringify({ words, text }),
      );
    }
  }
});

test("a hundred thousand words are found in a long text", () => {
  const words = Array.from({ length: 100_000 }, (_, i) => `<extra_${i}>`);
  const found: string[] = [];
  const text = "<extra_99999> <extra_1> <extra_x> < ".repeat(5000);
  const replaced = new LongestMatch(words).replace(text, (word) => {
    found.push(word);
    return "!";
  });
  assert.equal(replaced, "! ! <extra_x> < ".repeat(5000));
  assert.equal(found.length, 10_000);
});
