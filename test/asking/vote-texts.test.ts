// The vote over given texts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { voteOnTexts } from "../../src/asking/vote-texts.ts";

test("answers are compared by value, and the question tells the task", async () => {
  const vote = await voteOnTexts({
    question: "How many apples are there?",
    samples: [
      { text: "It is \\frac12. The answer is 0.5." },
      { text: "\\boxed{\\frac{1}{2}}" },
      { text: "no idea" },
    ],
  });
  assert.deepEqual(vote, {
    task: "math",
    answer: "0.5",
    votes: [{ answer: "0.5", count: 2, weight: 2, share: 1 }],
    tied: false,
    samples: [{ answer: "0.5" }, { answer: "\\frac{1}{2}" }, { answer: null }],
  });
});

test("weights weigh under majority, exactly, and ties are told", async () => {
  const texts = (weights: number[]) =>
    weights.map((weight, index) => ({ text: `The answer is ${index === 2 ? "yes" : "no"}.`, weight }));
  const tied = await voteOnTexts({ task: "yes-no", samples: texts([0.1, 0.2, 0.3]) });
  assert.deepEqual([tied.answer, tied.tied], ["no", true], "0.1 + 0.2 weighs as much as 0.3; more votes win");
  const heavy = await voteOnTexts({ task: "yes-no", samples: texts([1, 1, 2.5]) });
  assert.deepEqual(heavy.votes, [
    { answer: "yes", count: 1, weight: 2.5, share: 2.5 / 4.5 },
    { answer: "no", count: 2, weight: 2, share: 2 / 4.5 },
  ]);
  const nothing = await voteOnTexts({ task: "yes-no", samples: texts([0, 0, 0]) });
  assert.deepEqual([nothing.answer, nothing.votes[0]?.share], ["no", 0]);
});

test("under confidence a weight is a confidence, rescaled as ReConcile does", async () => {
  const samples = [
    { text: "The answer is (B).", weight: 1 },
    { text: "The answer is (A).", weight: 0.85 },
    { text: "The answer is (A).", weight: 0.3 },
  ];
  const vote = await voteOnTexts({ choices: ["red", "blue"], samples, rule: "confidence" });
  assert.equal(vote.task, "multiple-choice");
  assert.deepEqual(vote.votes, [
    { answer: "B", count: 1, weight: 1, share: 0.625 },
    { answer: "A", count: 2, weight: 0.6, share: 0.375 },
  ]);
  await assert.rejects(voteOnTexts({ samples: [{ text: "x", weight: 2 }], rule: "confidence" }), {
    code: "MAGDI_BAD_REQUEST",
    param: "samples[0].weight",
  });
});
