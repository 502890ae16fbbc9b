// What each recipe learns from, and the pairs of a graph.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../../src/errors.ts";
import type { Mag } from "../../../src/train/mag/mag-schema.ts";
import { graphType } from "../../../src/train/mag/mag-schema.ts";
import { contrastivePairs } from "../../../src/train/mag/pairs.ts";
import {
  allCorrect,
  allNodes,
  firstMags,
  heldOut,
  roundZeroCorrect,
  teacherCorrect,
  wholeGraphs,
  withoutDensest,
} from "../../../src/train/mag/selections.ts";
import { seededRandom } from "../../../src/train/seeded-random.ts";
import { sampleMag } from "./support/sample-mag.ts";

const MAGS: readonly Mag[] = [
  sampleMag("one"),
  sampleMag("two"),
  { ...sampleMag("again"), question: " ONE?  " },
];
const [ONE] = MAGS as [Mag];

const spoken = ({ nodes }: Mag): string[] => nodes.map(({ agent, round }) => `${agent}${round}`);

test("levels select nodes, and renumber the edges that stay", () => {
  // sampleMag: a0 right, b0 wrong, c0 right, a1 right, b1 right, c1 wrong; every node of round 0 is heard.
  assert.deepEqual(spoken(roundZeroCorrect(MAGS)[0]!), ["a0", "c0"]);
  assert.deepEqual(roundZeroCorrect(MAGS)[0]!.edges, []);
  const correct = allCorrect(MAGS)[0]!;
  assert.deepEqual(spoken(correct), ["a0", "c0", "a1", "b1"]);
  assert.deepEqual(correct.edges, [
    [0, 2],
    [1, 2],
    [0, 3],
    [1, 3],
  ]);
  assert.deepEqual(spoken(teacherCorrect(MAGS, "b")[0]!), ["b1"]);
  assert.equal(allNodes(MAGS)[0]!.nodes.length, 6);
  assert.deepEqual(allNodes(MAGS)[0]!.edges, []);
  assert.deepEqual(wholeGraphs(MAGS), MAGS);
});

test("questions without such a node fall out", () => {
  const wrong = { ...ONE, nodes: ONE.nodes.map((node) => ({ ...node, label: 0 as const })) };
  assert.deepEqual(allCorrect([wrong]), []);
});

test("a teacher that is not there is an error that names those who are", () => {
  assert.throws(
    () => teacherCorrect(MAGS, "gpt"),
    (error) => error instanceof MagdiError && /expected one of a, b, c, found gpt/.test(error.message),
  );
});

test("the densest graphs and all but the first can be left out", () => {
  const third = { ...ONE, nodes: ONE.nodes.map((node) => ({ ...node, round: node.round * 3 })) };
  assert.equal(graphType(ONE), "G1");
  assert.equal(graphType(third), "G3");
  assert.deepEqual(withoutDensest([ONE, third]), [ONE]);
  assert.deepEqual(withoutDensest([ONE, third], 3), [ONE, third]);
  assert.deepEqual(firstMags(MAGS, 2), MAGS.slice(0, 2));
});

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
