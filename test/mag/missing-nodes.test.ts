// What the released code makes of answers that are not there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { edgesOf } from "../../src/mag/edges.ts";
import { missingNodes, withMissing } from "../../src/train/batches/missing-nodes.ts";
import { sumMag } from "../train/support/sums.ts";

const node = (agent: string, round: number, answer: string | null) => ({
  agent,
  round,
  reasoning: "Because.",
  answer,
  label: 1 as const,
});

test("each agent has a node in each of four rounds, and the missing say the answer before them", () => {
  const nodes = [
    node("a", 0, "1"),
    node("b", 0, "2"),
    node("c", 0, null),
    node("a", 1, "3"),
    node("c", 1, "4"),
  ];
  const said = missingNodes({ nodes }).map(({ agent, round, reasoning, answer }) => [
    agent,
    round,
    reasoning,
    answer,
  ]);
  assert.deepEqual(said, [
    ["a", 2, "None", "3"],
    ["a", 3, "None", "3"],
    ["b", 1, "None", "2"],
    ["b", 2, "None", "2"],
    ["b", 3, "None", "2"],
    ["c", 2, "None", "4"],
    ["c", 3, "None", "4"],
  ]);
  assert.deepEqual(missingNodes({ nodes: [node("a", 1, "3")] })[0]?.answer, null);
});

test("with the missing ones, three agents have the released code's 27 edges", () => {
  const nodes = [node("a", 0, "1"), node("b", 0, "2"), node("c", 0, "3"), node("c", 1, "4")];
  const mag = { ...sumMag(0), nodes, edges: edgesOf(nodes, "released") };
  const whole = withMissing(mag, missingNodes(mag));
  assert.equal(whole.nodes.length, 12);
  assert.equal(whole.edges.length, 27);
  const all = edgesOf(whole.nodes, "released").map((edge) => edge.join());
  assert.deepEqual(whole.edges.map((edge) => edge.join()).sort(), all.sort());
});

test("edges between nodes that are there stay what the graph says", () => {
  const mag = sumMag(0);
  const { edges } = withMissing(mag, missingNodes(mag));
  assert.deepEqual(
    edges.filter((ends) => ends.every((end) => end < mag.nodes.length)),
    mag.edges,
  );
});
