import assert from "node:assert/strict";
import { test } from "node:test";
import type { FinishReason } from "../../src/base/finish-reason.ts";
import { type FinishedSample, Voter } from "../../src/voting/voter.ts";

function sample(
  index: number,
  text: string,
  logprobMean = -0.5,
  finishReason: FinishReason = "stop",
): FinishedSample {
  return { index, text, finishReason, logprobMean, tokens: 10 };
}

test("exact: decided when the rest cannot change the winner, and late samples have no vote", () => {
  const voter = new Voter({ task: "math", samples: 5 });
  assert.deepEqual(voter.add(sample(1, "The answer is 1,000.")), { answer: "1000", decided: null });
  assert.equal(voter.add(sample(3, "#### 1000.0", -0.1)).decided, null);
  assert.equal(voter.add(sample(0, "\\boxed{7}")).decided, null);
  assert.equal(voter.settled, false);
  assert.equal(voter.add(sample(2, "It is $1000")).decided, "exact");
  assert.equal(voter.settled, true);
  assert.equal(voter.add(sample(4, "The answer is 7.")).answer, "7");
  const result = voter.result();
  assert.equal(result.answer, "1000");
  assert.equal(result.reasoning, "#### 1000.0", "the most confident of the winner's samples speaks");
  assert.deepEqual(result.votes, [
    { answer: "1000", count: 3, weight: 3, share: 0.75 },
    { answer: "7", count: 1, weight: 1, share: 0.25 },
  ]);
  assert.equal(result.decidedAt, 4);
  assert.equal(result.stopReason, "exact");
  assert.deepEqual(result.samples[4], {
    index: 4,
    text: "The answer is 7.",
    answer: "7",
    tokens: 10,
    logprobMean: -0.5,
    finishReason: "stop",
  });
});

test("off: all samples vote, and the last one completes", () => {
  const voter = new Voter({ task: "yes-no", samples: 3, earlyStop: "off" });
  for (const index of [0, 1, 2]) assert.equal(voter.add(sample(index, "The answer is yes.")).decided, null);
  assert.equal(voter.remaining, 0);
  const { stopReason, decidedAt, votes } = voter.result();
  assert.deepEqual([stopReason, decidedAt, votes[0]?.count], ["complete", 3, 3]);
});

test("one sample is complete when it ends", () => {
  const voter = new Voter({ task: "free", samples: 1 });
  assert.equal(voter.add(sample(0, "The answer is Paris.")).decided, null);
  assert.deepEqual([voter.result().stopReason, voter.result().answer], ["complete", "Paris"]);
});

test("adaptive: four votes of four settle ten samples", () => {
  const voter = new Voter({ task: "math", samples: 10, earlyStop: "adaptive" });
  const decided = [0, 1, 2, 3].map((index) => voter.add(sample(index, "The answer is 4.")).decided);
  assert.deepEqual(decided, [null, null, null, "adaptive"]);
  assert.equal(voter.result().stopReason, "adaptive");
});

test("adaptive says exact when nothing could change any more", () => {
  const voter = new Voter({ task: "math", samples: 3, earlyStop: "adaptive" });
  voter.add(sample(0, "The answer is 4."));
  assert.equal(voter.add(sample(1, "The answer is 4.")).decided, "exact");
});

test("enough settles on what has finished; settling again changes nothing", () => {
  const voter = new Voter({ task: "math", samples: 9 });
  voter.add(sample(5, "The answer is 4."));
  voter.enough();
  voter.add(sample(6, "The answer is 5.", 0));
  voter.enough();
  const { answer, decidedAt, stopReason } = voter.result();
  assert.deepEqual([answer, decidedAt, stopReason], ["4", 1, "enough"]);
});

test("samples that were stopped and samples without an answer have no vote", () => {
  const voter = new Voter({ task: "math", samples: 3 });
  assert.equal(voter.add(sample(0, "The answer is 4", -0.1, "deadline")).answer, null);
  assert.equal(voter.add(sample(1, "I do not know.")).answer, null);
  voter.add(sample(2, "no idea"));
  const { answer, reasoning, votes, stopReason } = voter.result();
  assert.deepEqual([answer, reasoning, votes, stopReason], [null, null, [], "complete"]);
});

test("choices are counted by what they mean", () => {
  const choices = [
    { label: "A", text: "bank" },
    { label: "B", text: "library" },
  ];
  const voter = new Voter({ task: "multiple-choice", choices, samples: 3, rule: "confidence" });
  voter.add(sample(0, "The answer is (B)."));
  voter.add(sample(1, "Answer: library"));
  voter.add(sample(2, "\\boxed{b}"));
  assert.deepEqual(voter.result().votes, [{ answer: "B", count: 3, weight: 0.9, share: 1 }]);
});

test("a sample outside the request, or twice, is refused", () => {
  const voter = new Voter({ task: "math", samples: 2 });
  voter.add(sample(0, "4"));
  assert.throws(() => voter.add(sample(0, "4")), { code: "MAGDI_BAD_CONFIG" });
  assert.throws(() => voter.add(sample(2, "4")), { code: "MAGDI_BAD_CONFIG" });
  assert.throws(() => new Voter({ task: "math", samples: 0 }), { code: "MAGDI_BAD_REQUEST" });
});
