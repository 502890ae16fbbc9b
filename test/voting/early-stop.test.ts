import assert from "node:assert/strict";
import { test } from "node:test";
import { regularisedIncompleteBeta } from "../../src/voting/beta-distribution.ts";
import { adaptiveDecided, exactDecided, leaderProbability } from "../../src/voting/early-stop.ts";
import { tally, type VoteRule, type VotingSample } from "../../src/voting/vote.ts";

const RULES: readonly VoteRule[] = ["majority", "confidence"];

/** mulberry32: 32-bit seed → numbers in [0, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function ballot(index: number, answer: string | null, confidence: number): VotingSample {
  return { index, answer, display: answer, confidence };
}

/** Few answers and confidences that repeat, so that ties of every kind occur. */
function randomVote(seed: number): { samples: VotingSample[]; order: VotingSample[] } {
  const next = random(seed);
  const count = 1 + Math.floor(next() * 12);
  const answers = [null, ..."abcd".slice(0, 1 + Math.floor(next() * 4))];
  const confidences = next() < 0.5 ? [0.05, 0.5, 0.7, 0.85, 0.95, 1] : [1, 0.5];
  const samples = Array.from({ length: count }, (_, index) => {
    const answer = answers[Math.floor(next() ** 0.7 * answers.length)] ?? null;
    return ballot(index, answer, confidences[Math.floor(next() * confidences.length)] ?? 1);
  });
  const order = samples.map((sample) => ({ sample, key: next() })).sort((a, b) => a.key - b.key);
  return { samples, order: order.map(({ sample }) => sample) };
}

for (const rule of RULES) {
  test(`${rule}: from the first moment that exact stopping allows on, the full vote's answer stands`, () => {
    let early = 0;
    for (let seed = 1; seed <= 3000; seed++) {
      const { samples, order } = randomVote(seed);
      const full = tally(samples, rule).key;
      for (let done = 0; done <= order.length; done++) {
        const finished = order.slice(0, done);
        const running = order.slice(done).map(({ index }) => index);
        if (!exactDecided(finished, running, rule)) continue;
        assert.equal(tally(finished, rule).key, full, `seed ${seed} after ${done} of ${order.length}`);
        if (done < order.length) early += 1;
      }
    }
    assert.ok(early > 1000, `stopped early ${early} times`);
  });

  test(`${rule}: it stops exactly when brute force over all outcomes finds one winner`, () => {
    for (let seed = 1; seed <= 600; seed++) {
      const { samples, order } = randomVote(seed);
      const done = Math.max(0, samples.length - 1 - (seed % 3));
      const finished = order.slice(0, done);
      const running = order.slice(done).map(({ index }) => index);
      const answers = [null, ...new Set(finished.flatMap(({ answer }) => answer ?? [])), "new"];
      const winners = new Set<string | null>();
      for (const outcome of outcomes(running, answers))
        winners.add(tally([...finished, ...outcome], rule).key);
      assert.equal(
        exactDecided(finished, running, rule),
        winners.size === 1,
        `seed ${seed}: ${JSON.stringify({ finished, running, winners: [...winners] })}`,
      );
    }
  });
}

/** Every answer with a high and a low confidence, for every running sample. */
function outcomes(running: readonly number[], answers: readonly (string | null)[]): VotingSample[][] {
  return running.reduce<VotingSample[][]>(
    (all, index) =>
      all.flatMap((one) =>
        answers.flatMap((answer) =>
          [1, 0.01].map((confidence) => [...one, ballot(index, answer, confidence)]),
        ),
      ),
    [[]],
  );
}

test("without an answer it is decided only when nothing runs", () => {
  assert.equal(exactDecided([ballot(0, null, 1)], [1], "majority"), false);
  assert.equal(exactDecided([ballot(0, null, 1)], [], "majority"), true);
});

test("a tie that the running sample's index would lose is decided, one that it would win is not", () => {
  const sure = (index: number) => ballot(index, "a", 1);
  assert.equal(exactDecided([sure(0)], [1], "majority"), true);
  assert.equal(exactDecided([sure(1)], [0], "majority"), false);
  assert.equal(exactDecided([ballot(0, "a", 0.9)], [1], "majority"), false);
});

test("the incomplete beta function equals the binomial sum at whole numbers", () => {
  for (let a = 1; a <= 40; a++) {
    for (let b = 1; b <= 40; b++) {
      for (const x of [0.1, 0.5, 0.73]) {
        const n = a + b - 1;
        let sum = 0;
        let term = (1 - x) ** n;
        for (let j = 0; j <= n; j++) {
          if (j >= a) sum += term;
          term *= ((n - j) / (j + 1)) * (x / (1 - x));
        }
        const value = regularisedIncompleteBeta(x, a, b);
        assert.ok(Math.abs(value - sum) < 1e-12, `I_${x}(${a}, ${b}) = ${value}, expected ${sum}`);
      }
    }
  }
  assert.equal(regularisedIncompleteBeta(0, 2, 3), 0);
  assert.equal(regularisedIncompleteBeta(1, 2, 3), 1);
  // I_x(1/2, 1/2) = (2 / pi) asin(sqrt(x)), the arcsine law.
  assert.ok(
    Math.abs(regularisedIncompleteBeta(0.2, 0.5, 0.5) - (2 / Math.PI) * Math.asin(Math.sqrt(0.2))) < 1e-13,
  );
  assert.throws(() => regularisedIncompleteBeta(0.5, 0, 1), { code: "MAGDI_BAD_CONFIG" });
});

test("Adaptive-Consistency: four of four votes suffice, three do not, and one against needs two more", () => {
  assert.equal(leaderProbability(3, 0), 15 / 16);
  assert.ok(Math.abs(leaderProbability(4, 0) - 31 / 32) < 1e-14);
  const votes = (a: number, b: number) => [
    ...Array.from({ length: a }, (_, index) => ballot(index, "a", 0.5)),
    ...Array.from({ length: b }, (_, index) => ballot(a + index, "b", 0.5)),
  ];
  assert.equal(adaptiveDecided(votes(3, 0), "majority"), false);
  assert.equal(adaptiveDecided(votes(4, 0), "majority"), true);
  assert.equal(adaptiveDecided(votes(5, 1), "majority"), false);
  assert.equal(adaptiveDecided(votes(6, 1), "majority"), true);
  assert.equal(adaptiveDecided(votes(3, 0), "majority", 0.9), true);
  assert.equal(adaptiveDecided([], "majority"), false);
});
