// Texts of a megabyte, made to make a reader backtrack: each must be read in one pass. A quadratic reader would need
// hours for these, so that the suite ends is the check; nothing is timed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalAnswer, extractAnswer } from "../../src/answers/answer.ts";
import { inferTask, TASKS } from "../../src/answers/task.ts";

const SIZE = 1_000_000;
const PIECES = [
  ..."a1-({^\n −".split(""),
  "1,",
  "1,234",
  "1/2 ",
  " 1/",
  "M.2.6",
  "\\boxed{",
  "\\boxed{1}",
  "#### ",
  "answer is ",
  "the answer is not ",
  "answer to the ",
  "answer (",
  "$1",
  "\\(",
  "(A) or (B) ",
  "yes or no ",
  "\\frac",
  "\\sqrt{",
  "1.5e3 ",
  "1 x 10^",
  "= 1 ",
  "aaaa ",
  "\\text{(",
  "one hundred ",
  "1 because 1 ",
  "1 because = ",
  "\nTo check the answer 1 is correct. ",
  "\n\nTherefore ",
  "the solution is 1. ",
  "\\begin{align*}",
  "\\begin{align*}&1\\\\\\end{align*}",
  "$1$ when ",
  "a (1 x ",
  "score for the ",
  "the statement that it ",
  "the claim is not true ",
  "\u{1F600}",
  "½",
  "1½",
  "¹⁄₂ ",
  "⁴",
  "₁",
  "１",
  "[[",
  "{C}",
  "（",
  "five and ",
  "one point ",
  "two fifths ",
  "half a million ",
  "A. S. ",
  "H. G. Wells. ",
  "Rs. 7",
  "US$",
  "₱",
  "48 m^2 ",
  "10^(",
  "x > 7 ",
  "C++ ",
  "-9 ",
];
const choices = [
  { label: "A", text: "a".repeat(300) },
  { label: "B", text: "aaaa" },
  { label: "C", text: "(((" },
];

for (const task of TASKS) {
  test(`${task}: hostile text of a megabyte ends`, () => {
    for (const piece of PIECES) {
      const text = piece.repeat(Math.ceil(SIZE / piece.length));
      const answer = extractAnswer(task, text, { choices });
      assert.ok(answer === null || typeof answer === "string");
      if (answer !== null) canonicalAnswer(task, answer, { choices });
    }
  });

  test(`${task}: an answer behind hostile text is still read`, () => {
    const answers = { math: "7", "multiple-choice": "B", "yes-no": "yes", free: "Paris" };
    for (const piece of PIECES) {
      const text = `${piece.repeat(20_000)}\n\nThe answer is ${answers[task]}.`;
      assert.equal(extractAnswer(task, text, { choices }), answers[task], piece);
    }
  });
}

test("a hostile question is given a task, and a hostile answer a key", () => {
  for (const piece of PIECES) {
    const text = piece.repeat(Math.ceil(SIZE / piece.length));
    assert.ok(TASKS.includes(inferTask(text)));
    assert.equal(
      typeof canonicalAnswer("math", text),
      canonicalAnswer("math", text) === null ? "object" : "string",
    );
  }
});
