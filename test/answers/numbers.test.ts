import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalLatex } from "../../src/answers/latex/equivalence.ts";
import { toLatex } from "../../src/answers/numbers/rational.ts";
import { scanNumbers } from "../../src/answers/numbers/scan.ts";

/** A number as it is written, and its value in canonical form. */
const NUMBERS = [
  ["18", "18"],
  [".5", "\\frac{1}{2}"],
  ["12.50", "\\frac{25}{2}"],
  ["1,234", "1234"],
  ["1{,}234,567", "1234567"],
  ["1\\,234", "1234"],
  ["1,\\!234", "1234"],
  ["1\\;234", "1234"],
  ["-5", "-5"],
  ["−$1,000", "-1000"],
  ["3/4", "\\frac{3}{4}"],
  ["2 1/2", "\\frac{5}{2}"],
  ["1.5e3", "1500"],
  ["2e3/4", "500"],
  ["2e3 million", "2000000000"],
  ["1.5 x 10^3", "1500"],
  ["1.5 million", "1500000"],
] as const;

test("a number has the same value in running text and in LaTeX", () => {
  for (const [written, value] of NUMBERS) {
    const found = Array.from(
      scanNumbers(`It is ${written}.`),
      (token) => token.value && toLatex(token.value),
    );
    assert.deepEqual([canonicalLatex(written), found], [value, [value]], written);
  }
});

test("in brackets a comma separates, but other thousands separators do not", () => {
  assert.equal(canonicalLatex("(1,234)"), "(1,234)");
  assert.equal(canonicalLatex("(1{,}234)"), "1234");
  assert.equal(canonicalLatex("(1\\,234, 5)"), "(1234,5)");
});
