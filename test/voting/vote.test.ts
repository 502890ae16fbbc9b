import assert from "node:assert/strict";
import { test } from "node:test";
import { confidenceOf, rescaledTenths, tally, type VotingSample } from "../../src/voting/vote.ts";

function ballots(...rows: [answer: string | null, confidence: number][]): VotingSample[] {
  return rows.map(([answer, confidence], index) => ({ index, answer, display: answer, confidence }));
}

test("most votes win, with counts, weights and shares", () => {
  const { answer, votes, tied } = tally(ballots(["a", 0.1], ["b", 0.9], ["a", 0.1], [null, 1]), "majority");
  assert.equal(answer, "a");
  assert.equal(tied, false);
  assert.deepEqual(votes, [
    { answer: "a", count: 2, weight: 2, share: 2 / 3 },
    { answer: "b", count: 1, weight: 1, share: 1 / 3 },
  ]);
});

test("of equal votes the greater summed confidence wins, then the lowest index", () => {
  assert.equal(tally(ballots(["a", 0.4], ["b", 0.5]), "majority").answer, "b");
  const tie = tally(ballots(["b", 0.5], ["a", 0.5]), "majority");
  assert.equal(tie.answer, "b");
  assert.equal(tie.tied, true);
});

test("completion order changes nothing", () => {
  const samples = ballots(["a", 0.1], ["b", 0.2], ["a", 0.3], ["b", 0.2], ["c", 1]);
  assert.deepEqual(tally(samples.toReversed(), "confidence"), tally(samples, "confidence"));
});

test("ReConcile's rescale", () => {
  const steps = [0.1, 0.6, 0.61, 0.79, 0.8, 0.89, 0.9, 0.999, 1].map(rescaledTenths);
  assert.deepEqual(steps, [1, 1, 3, 3, 5, 5, 8, 8, 10]);
});

test("confidence voting weighs: two sure samples beat three doubtful ones", () => {
  const samples = ballots(["a", 0.5], ["a", 0.5], ["a", 0.5], ["b", 0.95]);
  assert.equal(tally(samples, "majority").answer, "a");
  const { answer, votes } = tally(samples, "confidence");
  assert.equal(answer, "b");
  assert.deepEqual(
    votes.map(({ weight }) => weight),
    [0.8, 0.3],
  );
});

test("weights that are equal in decimals tie: 3 * 0.1 = 0.3", () => {
  const samples = ballots(["b", 0.7], ["a", 0.5], ["a", 0.5], ["a", 0.5]);
  const { answer, tied } = tally(samples, "confidence");
  assert.equal(tied, true);
  assert.equal(answer, "a", "more votes break the tie");
});

test("the most confident sample of the winner speaks, the lowest index among equals", () => {
  assert.equal(tally(ballots(["a", 0.2], ["a", 0.9], ["b", 1], ["a", 0.9]), "majority").speaker, 1);
  const displayed = tally(
    [
      { index: 0, answer: "1/2", display: "0.5", confidence: 0.1 },
      { index: 1, answer: "1/2", display: "\\frac12", confidence: 0.3 },
    ],
    "majority",
  );
  assert.equal(displayed.answer, "\\frac12");
});

test("no answers, no winner", () => {
  assert.deepEqual(tally(ballots([null, 1], [null, 1]), "majority"), {
    key: null,
    answer: null,
    speaker: null,
    votes: [],
    tied: false,
  });
});

test("confidence is exp(mean log-probability), within 0 and 1", () => {
  assert.equal(confidenceOf(0), 1);
  assert.equal(confidenceOf(Math.log(0.25)), 0.25);
  assert.equal(confidenceOf(1e-9), 1);
  assert.equal(confidenceOf(Number.NEGATIVE_INFINITY), 0);
  assert.equal(confidenceOf(Number.NaN), 0);
});
