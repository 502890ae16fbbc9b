// Who heard whom, under each way of holding a debate.

import assert from "node:assert/strict";
import { test } from "node:test";
import { edgesOf, type Statement } from "../../src/mag/edges.ts";

/** "a0 b0 a1": agent and round. */
function spoken(text: string): Statement[] {
  return text.split(" ").map((name) => ({ agent: name.slice(0, -1), round: Number(name.at(-1)) }));
}

/** Edges as "a0>b1", sorted. */
function heard(nodes: readonly Statement[], rule: Parameters<typeof edgesOf>[1]): string[] {
  const name = (index: number): string => `${nodes[index]!.agent}${nodes[index]!.round}`;
  return edgesOf(nodes, rule)
    .map(([from, to]) => `${name(from)}>${name(to)}`)
    .sort();
}

test("three agents in up to three rounds give the paper's graphs", () => {
  const rounds = ["a0 b0 c0", "a1 b1 c1", "a2 b2 c2", "a3 b3 c3"];
  for (const [last, edges] of [0, 9, 18, 27].entries()) {
    const nodes = spoken(rounds.slice(0, last + 1).join(" "));
    assert.equal(nodes.length, 3 * (last + 1));
    assert.equal(edgesOf(nodes, "rounds").length, edges);
  }
  assert.deepEqual(heard(spoken("a0 b0 a1"), "rounds"), ["a0>a1", "b0>a1"]);
  assert.deepEqual(heard(spoken("a0 b0 a1"), "none"), []);
});

test("who was dropped after a round was still heard in the next, and hears nobody", () => {
  assert.deepEqual(heard(spoken("a0 b0 c0 a1 b1"), "rounds"), [
    "a0>a1",
    "a0>b1",
    "b0>a1",
    "b0>b1",
    "c0>a1",
    "c0>b1",
  ]);
});

test("in turns each hears the last statement of both", () => {
  const nodes = spoken("a0 b0 a1 b1 a2").map((node, turn) => ({ ...node, turn }));
  // b1 answers a1, which was said just before, not a0.
  assert.deepEqual(heard(nodes, "turns"), ["a0>a1", "a1>a2", "a1>b1", "b0>a1", "b0>b1", "b1>a2"]);
});

test("turns count, not the order of the records", () => {
  const nodes = [
    { agent: "b", round: 0, turn: 1 },
    { agent: "a", round: 1, turn: 2 },
    { agent: "a", round: 0, turn: 0 },
  ];
  assert.deepEqual(edgesOf(nodes, "turns"), [
    [0, 1],
    [2, 1],
  ]);
});

test("in sequence a speaker hears this round's earlier speakers and the last round's later ones, not itself", () => {
  assert.deepEqual(heard(spoken("a0 b0 c0 a1 b1 c1"), "sequence"), [
    "a1>b1",
    "a1>c1",
    "b0>a1",
    "b1>c1",
    "c0>a1",
    "c0>b1",
  ]);
});

test("in sequence, whoever was dropped is not heard from round 2 on", () => {
  const edges = heard(spoken("a0 b0 c0 a1 b1 c1 a2 c2"), "sequence");
  assert.deepEqual(
    edges.filter((edge) => edge.endsWith("2")),
    ["a2>c2", "c1>a2"],
  );
});

test("in sequence a first round that ended early was heard whole, in the order of numbers", () => {
  assert.deepEqual(heard(spoken("agent2_0 agent10_0 agent2_1"), "sequence"), ["agent10_0>agent2_1"]);
});

test("among debaters those who only answered once are not heard", () => {
  assert.deepEqual(heard(spoken("a0 b0 direct0 a1 b1"), "debaters"), ["a0>a1", "a0>b1", "b0>a1", "b0>b1"]);
});

test("the released code's edges go by the agent's place", () => {
  const all = spoken("a0 b0 c0 a1 b1 c1 a2 b2 c2 a3 b3 c3");
  const edges = edgesOf(all, "released");
  assert.equal(edges.length, 27);
  // construct_graph has [0, 5] and [1, 8]: a0 is heard by b1, and a1 by c0, before it was said.
  assert.ok(heard(all, "released").includes("a0>b1"));
  assert.ok(heard(all, "released").includes("a1>c0"));
});
