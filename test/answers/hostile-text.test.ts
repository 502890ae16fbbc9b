// Texts of a megabyte, made to make a reader backtrack: each must be read in one pass. A quadratic reader would need
// hours for these, so that the suite ends is the check; nothing is timed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalAnswer, extractAnswer } from "../../src/answers/answer.ts";
import { inferTask, TASKS } from "../../src/answers/task.ts";
import { PIECES } from "./hostile-pieces.ts";

const SIZE = 1_000_000;
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
