// Statistics of graphs against a count by hand, and as text.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Mag } from "../../src/mag/mag-schema.ts";
import { magStatistics } from "../../src/mag/statistics.ts";
import { statisticsText } from "../../src/mag/text-report.ts";
import { sampleMag } from "./support/sample-mag.ts";

const G1 = sampleMag("one");
const G0: Mag = {
  ...sampleMag("two"),
  benchmark: "other",
  nodes: G1.nodes.slice(0, 1).map((node) => ({ ...node, reasoning: "", answer: null, label: 0 })),
  edges: [],
};

test("nodes by round, agent and label, graphs by type, as the paper's table has them", async () => {
  const statistics = await magStatistics([G1, G0, { ...G1, id: "again" }]);
  const { mags, questions, nodes, edges, right, withoutAnswer, withoutReasoning, byUse } = statistics;
  assert.deepEqual(
    { mags, questions, nodes, edges, right, withoutAnswer, withoutReasoning, byUse },
    {
      mags: 3,
      questions: 2,
      nodes: 13,
      edges: 18,
      right: 8,
      withoutAnswer: 1,
      withoutReasoning: 1,
      byUse: { train: 3 },
    },
  );
  assert.equal(statistics.majorityShare, 8 / 13);
  assert.deepEqual(statistics.contrastive, { mags: 2, pairs: 8 });
  assert.deepEqual(statistics.byType, {
    G0: { mags: 1, nodes: 1, edges: 0, right: 0, wrong: 1 },
    G1: { mags: 2, nodes: 12, edges: 18, right: 8, wrong: 4 },
  });
  assert.deepEqual(statistics.byRound, {
    0: { nodes: 7, right: 4, wrong: 3 },
    1: { nodes: 6, right: 4, wrong: 2 },
  });
  assert.deepEqual(statistics.byAgent, {
    a: { nodes: 5, right: 4, wrong: 1 },
    b: { nodes: 4, right: 2, wrong: 2 },
    c: { nodes: 4, right: 2, wrong: 2 },
  });
  assert.deepEqual(Object.keys(statistics.byBenchmark), ["other", "sums"]);
});

test("lengths are measured as they are asked for", async () => {
  const { lengths } = await magStatistics([G1], {
    unit: "tokens",
    prompt: () => 5,
    completion: (_mag, node) => (node.label === 1 ? 10 : 30),
  });
  assert.deepEqual(lengths, {
    unit: "tokens",
    prompt: { mean: 5, median: 5, p95: 5, max: 5, sum: 5 },
    completion: { mean: 100 / 6, median: 10, p95: 30, max: 30, sum: 100 },
  });
});

test("no graphs are counted as none", async () => {
  const statistics = await magStatistics([]);
  assert.equal(statistics.majorityShare, 0);
  assert.match(statisticsText(statistics), /^0 MAGs of 0 questions, 0 nodes/);
});

test("the text has a table for each view", async () => {
  const lines = statisticsText(await magStatistics([G1, G0])).split("\n");
  assert.deepEqual(lines.slice(0, 3), [
    "2 MAGs of 2 questions, 7 nodes (57.1 % right), 9 edges",
    "1 MAGs have right and wrong nodes and give 4 pairs; always the more frequent label: 57.1 %",
    "1 nodes without an answer, 1 without reasoning; 2 MAGs for train",
  ]);
  const at = lines.findIndex((line) => line.startsWith("type"));
  assert.deepEqual(lines.slice(at, at + 4), [
    "type  MAGs  nodes  edges  right  wrong  right %",
    "----  ----  -----  -----  -----  -----  -------",
    "G0       1      1      0      0      1    0.0 %",
    "G1       1      6      9      4      2   66.7 %",
  ]);
});
