// Parts that share no question, and the pairs of a graph.

import assert from "node:assert/strict";
import { test } from "node:test";
import { contrastivePairs } from "../../src/mag/contrastive-pairs.ts";
import type { Mag } from "../../src/mag/mag-schema.ts";
import { heldOut, isHeldOut } from "../../src/mag/question-split.ts";
import { seededRandom } from "../../src/train/batches/seeded-random.ts";
import { sampleMag } from "./support/sample-mag.ts";

const MAGS: readonly Mag[] = [
  sampleMag("one"),
  sampleMag("two"),
  { ...sampleMag("again"), question: " ONE?  " },
];

test("graphs of one question are held out together, by the seed", () => {
  const many = Array.from({ length: 40 }, (_, index) => sampleMag(`q${index % 20}`)).map((mag, index) => ({
    ...mag,
    id: String(index),
  }));
  const parts = heldOut(many, 0.1, seededRandom(7));
  assert.equal(parts.validation.length, 4);
  assert.equal(parts.training.length, 36);
  const held = new Set(parts.validation.map(({ question }) => question));
  assert.ok(parts.training.every(({ question }) => !held.has(question)));
  assert.deepEqual(heldOut(many, 0.1, seededRandom(7)), parts);
  assert.notDeepEqual(heldOut(many, 0.1, seededRandom(8)).validation, parts.validation);
  assert.deepEqual(heldOut(many, 0, seededRandom(7)).validation, []);
  // Spaces and capitals do not make another question.
  const same = heldOut(MAGS, 0.5, seededRandom(1));
  assert.ok(
    [same.training, same.validation].some(
      (part) => part.some(({ id }) => id === "one") === part.some(({ id }) => id === "again"),
    ),
  );
});

test("however large the share, a question is left to learn from", () => {
  const sizes = (count: number, fraction: number): number[] => {
    const mags = Array.from({ length: count }, (_, index) => sampleMag(`q${index}`));
    const { training, validation } = heldOut(mags, fraction, seededRandom(3));
    return [training.length, validation.length];
  };
  assert.deepEqual(sizes(3, 0.9), [1, 2]);
  assert.deepEqual(sizes(2, 0.9), [1, 1]);
  assert.deepEqual(sizes(2, 0.1), [1, 1]);
  assert.deepEqual(sizes(1, 0.9), [1, 0]);
  assert.deepEqual(sizes(0, 0.9), [0, 0]);
});

test("what is held out by the question's words is so in every file", () => {
  const questions = Array.from({ length: 1000 }, (_, index) => ({ question: `How many are ${index}?` }));
  const held = questions.filter((mag) => isHeldOut(mag, 0.1, 1));
  assert.ok(held.length > 70 && held.length < 130, `${held.length} of 1000`);
  for (const { question } of held) {
    assert.ok(isHeldOut({ question: `  ${question.toUpperCase()} ` }, 0.1, 1));
    // A larger share holds the smaller one.
    assert.ok(isHeldOut({ question }, 0.2, 1));
  }
  assert.notDeepEqual(
    questions.filter((mag) => isHeldOut(mag, 0.1, 2)),
    held,
  );
  assert.ok(questions.every((mag) => !isHeldOut(mag, 0, 1) && isHeldOut(mag, 1, 1)));
});

test("pairs use every node: the rarer side comes again", () => {
  const labels = [1, 0, 1, 1, 1, 0] as const;
  assert.deepEqual(contrastivePairs(labels), [
    [0, 1],
    [2, 5],
    [3, 1],
    [4, 5],
  ]);
  assert.deepEqual(contrastivePairs([0, 0, 1]), [
    [2, 0],
    [2, 1],
  ]);
  assert.deepEqual(contrastivePairs([1, 1]), []);
  assert.deepEqual(contrastivePairs([0]), []);
});

test("pairs are drawn by the seed, and each side stays on its side", () => {
  const labels = [1, 0, 1, 1, 1, 0, 0, 1, 1] as const;
  const drawn = (seed: number) => contrastivePairs(labels, seededRandom(seed));
  assert.deepEqual(drawn(3), drawn(3));
  assert.notDeepEqual(drawn(3), drawn(4));
  for (let seed = 0; seed < 50; seed++) {
    const pairs = drawn(seed);
    assert.deepEqual(pairs.map(([positive]) => positive).sort(), [0, 2, 3, 4, 7, 8]);
    const uses = [1, 5, 6].map((negative) => pairs.filter(([, other]) => other === negative).length);
    assert.deepEqual(uses, [2, 2, 2]);
  }
});
