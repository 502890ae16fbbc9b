import assert from "node:assert/strict";
import { test } from "node:test";
import { inferTask } from "../../src/answers/task.ts";

test("the declared rule", () => {
  const cases = [
    ["Can fish walk?", "yes-no"],
    ["Isn't the sky blue?", "yes-no"],
    ["Birds have wings. Do all birds fly?", "yes-no"],
    ["If you were on a diet, would you have to skip lunch?", "yes-no"],
    ["Did Helen Keller read a novel by J. K. Rowling?", "yes-no"],
    ["Is $\\sqrt{2}$ rational?", "yes-no"],
    ["Is the sky blue or green?", "free"],
    ["Who wrote Hamlet?", "free"],
    ["What is the capital of France?", "free"],
    ["Ann has 3 apples and eats 1. How many are left?", "math"],
    ["Can you tell how many apples Ann has?", "math"],
    ["What is 17 * 23?", "math"],
    ["Ann runs twice as far as Bob, who runs 4 miles. What's the total distance?", "math"],
    ["If Al takes 5 hours, how long, in minutes, does Bo take?", "math"],
    ["Determine the number of ways to arrange the letters of CEASE.", "math"],
    ["Let $x$ satisfy \\(x^2 = 4\\). Give all of them.", "math"],
    ["Compute \\frac{1}{2} + \\frac{1}{3}.", "math"],
    ["It costs $5 here and $6 there. Where would you buy it", "free"],
  ] as const;
  for (const [question, task] of cases) assert.equal(inferTask(question), task, question);
});

test("choices make it multiple choice, an empty list does not", () => {
  assert.equal(inferTask("How many?", [{ label: "A", text: "1" }]), "multiple-choice");
  assert.equal(inferTask("Can fish walk?", []), "yes-no");
});
