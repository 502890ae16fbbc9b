import assert from "node:assert/strict";
import { test } from "node:test";
import { inferTask, taskOf } from "../../src/answers/task.ts";

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

test("the gold answer tells the task", () => {
  const choices = [
    { label: "A", text: "bank" },
    { label: "B", text: "new york" },
  ];
  assert.equal(
    taskOf("Hydrogen's atomic number squared exceeds number of Spice Girls?", null, "no"),
    "yes-no",
  );
  assert.equal(taskOf("Where?", choices, "A"), "multiple-choice");
  assert.equal(taskOf("Find the inverse.", null, "\\frac{x+2}{7}"), "math");
  assert.equal(taskOf("Who wrote it?", null, "Ada Lovelace"), "free");
});

test("a gold answer of yes, no, true or false is a yes-no one, and no choices are none", () => {
  for (const gold of ["yes", "No", "True", "false", " TRUE\n"]) {
    assert.equal(taskOf("Fish can walk: is that right or wrong?", null, gold), "yes-no", gold);
  }
  assert.equal(taskOf("Can fish walk?", [], "no"), "yes-no");
  assert.equal(taskOf("What did Helen Keller see as true?", null, "true love"), "free");
});

test("without a number in the gold answer the question tells whether it is math", () => {
  assert.equal(taskOf("Ann has 3 apples and eats 1. How many are left?", null, "two"), "math");
  assert.equal(taskOf("What line is it?", null, "y = x"), "math");
});
