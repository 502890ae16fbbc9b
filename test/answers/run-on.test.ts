// Texts that run on behind their answer, as students do that were not taught to stop: the first question's answer is read,
// and text that only looks alike is read as before.

import assert from "node:assert/strict";
import { test } from "node:test";
import { extractAnswer, firstTurn, runsOn } from "../../src/answers/answer.ts";
import type { Choice, Task } from "../../src/answers/task.ts";

const CHOICES: readonly Choice[] = ["red", "blue", "green"].map((text, at) => ({ label: "ABC"[at]!, text }));

type Row = readonly [task: Task, answer: string, text: string];

const contextOf = (task: Task) => ({ choices: task === "multiple-choice" ? CHOICES : null });

function check(rows: readonly Row[], isRunOn: boolean): void {
  for (const [task, answer, text] of rows) {
    assert.equal(extractAnswer(task, text, contextOf(task)), answer, text);
    assert.equal(runsOn(task, text, contextOf(task)), isRunOn, text);
  }
}

test("a next question behind the answer is not read", () => {
  check(
    [
      [
        "math",
        "18",
        "She has 16 - 7 = 9 eggs and makes 9 * 2 = $18.\n#### 18\n\nQuestion: A robe takes 2 bolts.\nAnswer: 2+1=3.\n#### 3",
      ],
      ["math", "18", "The answer is 18.\n\nQ: Bob has 3 apples. How many?\nA: The answer is 3."],
      ["math", "18", "The answer is 18.\n\n### Question: Bob has 3 apples.\n### Answer: 3"],
      ["math", "18", "The answer is 18.\n\nProblem: 3 apples.\nSolution: The answer is $\\boxed{3}$."],
      ["math", "5", "**Question:** x\n\\boxed{5}\n\n**Problem 2**\nBob\n\\boxed{7}"],
      ["math", "5", "The answer is 5.\n\nQuestion 2: Bob?\nThe answer is 30."],
      ["math", "18", "The answer is 18.\r\n\r\nQuestion: Bob?\r\nThe answer is 3."],
      ["math", "18", "#### 18 Question: A robe takes 2 bolts. #### 3"],
      ["math", "18", "18\n\nQuestion: Bob has 3 apples.\nAnswer: 3"],
      ["math", "18", "<answer>18</answer>\nThe next question: x <answer>3</answer>"],
      ["math", "1/2", "The answer is ½.\n\nPassage: x\nThe answer is 3."],
      ["math", "5", "Question: How many?\nThe answer is 5.\n\nQuestion: Bob?\nThe answer is 3."],
      [
        "multiple-choice",
        "B",
        "The answer is (B).\n\nQuestion: What is hot?\n(A) ice\n(C) fire\nThe answer is (C).",
      ],
      ["multiple-choice", "B", "B. blue\nQ: What?\nA: C"],
      ["yes-no", "yes", "The answer is yes.\n\nPassage: Fish do not walk.\n\nQuestion: Can fish walk?\nno"],
      ["yes-no", "yes", "Yes, they can.\n\nQuestion: Can fish walk?\nNo."],
      ["free", "Paris", "The answer is Paris.\n\nQuestion: Capital of Spain?\nThe answer is Madrid."],
    ],
    true,
  );
});

test("a next question that the limit of tokens cut is not read", () => {
  check(
    [
      ["math", "18", "The answer is 18.\n\nQuestion: Bob has 3 app"],
      ["multiple-choice", "B", "The answer is (B).\n\nQuestion: What is hot?\n(A) ice\n(B) sn"],
      ["yes-no", "yes", "The answer is yes.\n\nQuestion: Is there no way"],
      ["free", "Paris", "The answer is Paris.\n\nQuestion: Capital of Sp"],
    ],
    true,
  );
});

test("another speaker of a chat is not read, with a template's tokens and without", () => {
  check(
    [
      ["math", "18", "The answer is 18.\nUser: Bob has 3 apples. How many?\nAssistant: The answer is 3."],
      ["math", "18", "The answer is 18.\nuser\nBob has 3 apples. How many?\nassistant\nThe answer is 3."],
      ["math", "18", "The answer is 18.assistant\n\nThe answer is 3."],
      ["math", "18", "The answer is 18.<|im_end|>\n<|im_start|>user\nBob has 3.<|im_end|>\nThe answer is 3."],
      ["math", "18", "She has $18 a day.<|im_end|>\n<|im_start|>user\nBob has 3.<|im_end|>"],
      ["math", "18", "The answer is 18. [INST] Bob has 3 [/INST] The answer is 3."],
      ["math", "18", "So she makes 18 dollars.\n\nQ: Bob has 3 apples.\nA: He has 3 apples."],
    ],
    true,
  );
});

test("a question that is said again, steps, thoughts and a closing token are no new turn", () => {
  check(
    [
      ["math", "5", "Question: How many?\nAnswer: 2 + 3 = 5.\nThe answer is 5."],
      ["math", "30", "Question 1: How many?\nThe answer is 5.\n\nQuestion 2: In total?\nThe answer is 30."],
      [
        "math",
        "80",
        "Given: 15 feet a second\nQuestion: How many feet in 40 seconds?\n\nPlan: …\nAnswer: 80",
      ],
      ["math", "7", "The updated answer is:\n\nProblem: 3 apples\n\nThe answer is 7."],
      ["math", "18", "<think>The answer is 5.\n\nQuestion: what is asked?</think>The answer is 18."],
      ["math", "3", "The answer is 4. There is one problem: 5 are bad. So the answer is 3."],
      ["math", "4", "The problem: find x. The answer is 4"],
      ["math", "18", "<|im_start|>assistant\nThe answer is 18.<|im_end|>"],
      ["math", "18", "The answer is 18.</s>"],
    ],
    false,
  );
});

test("the first turn is found however long the text is before it or behind it", () => {
  for (const [before, behind] of [
    [0, 100_000],
    [100_000, 0],
    [60_000, 20_000],
  ] as const) {
    const turn = `${"x ".repeat(before / 2)}The answer is 18.\n\n`;
    const text = `${turn}Question: ${"Bob has 3. ".repeat(1 + behind / 11)}The answer is 3.`;
    assert.equal(firstTurn("math", text), turn);
    assert.equal(extractAnswer("math", text), "18");
  }
});
