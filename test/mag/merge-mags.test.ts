// Graphs of one question as one: whose statements are the same, and how others are told apart.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Mag, magSchema } from "../../src/mag/mag-schema.ts";
import { mergeMags } from "../../src/mag/merge-mags.ts";
import { sampleMag } from "./support/sample-mag.ts";

const named = (mag: Mag): string[] => mag.nodes.map(({ agent, round }) => `${agent}@${round}`);
const from = (mag: Mag, origin: string, terms: string | null = null): Mag => ({
  ...mag,
  source: { ...mag.source, origins: [origin], terms },
});

/** Agents a and b answer, and a speaks again having heard both. */
function debate(id: string, firstWords: string): Mag {
  const mag = sampleMag(id);
  const [a, b, , again] = mag.nodes as [
    Mag["nodes"][number],
    Mag["nodes"][number],
    unknown,
    Mag["nodes"][number],
  ];
  return {
    ...mag,
    nodes: [{ ...a, reasoning: firstWords }, b, again],
    edges: [
      [0, 2],
      [1, 2],
    ],
  };
}

test("a debate and the answers that it set out from share these", () => {
  const answers = from(debate("q", "3 plus 4 gives 7. So it is."), "answers", "open");
  const alone: Mag = { ...answers, nodes: answers.nodes.slice(0, 2), edges: [] };
  const [merged, ...others] = mergeMags([
    alone,
    from(debate("q", "3 plus 4 gives 7."), "debate", "research"),
  ]);
  assert.deepEqual(others, []);
  assert.deepEqual(named(merged!), ["a@0", "b@0", "a@1"]);
  assert.deepEqual(merged!.edges, [
    [0, 2],
    [1, 2],
  ]);
  assert.equal(merged!.nodes[0]!.reasoning, "3 plus 4 gives 7. So it is.");
  assert.deepEqual(merged!.source, { origins: ["answers", "debate"], use: "train", terms: "open, research" });
});

test("other words, or another answer, are another agent of that name", () => {
  const first = from(debate("q", "3 plus 4 gives 7."), "one");
  const second = from(debate("q", "By counting: 7."), "two");
  const third = from(debate("q", "By counting on fingers: 7."), "two");
  const [merged] = mergeMags([first, second, third]);
  // b said the same each time.
  assert.deepEqual(named(merged!), [
    "a@0",
    "b@0",
    "a@1",
    "a (two)@0",
    "a (two)@1",
    "a (two #2)@0",
    "a (two #2)@1",
  ]);
  assert.deepEqual(merged!.edges, [
    [0, 2],
    [1, 2],
    [3, 4],
    [1, 4],
    [5, 6],
    [1, 6],
  ]);
  assert.equal(magSchema.safeParse(merged).success, true);
});

test("later statements are never shared, even of an agent whose first is", () => {
  const [merged] = mergeMags([from(debate("q", "So 7."), "one"), from(debate("q", "So 7."), "two")]);
  assert.deepEqual(named(merged!), ["a@0", "b@0", "a@1", "a (two)@1"]);
  assert.equal(magSchema.safeParse(merged).success, true);
});

test("what differs in choices, gold answer or use stays apart", () => {
  const mag = sampleMag("q");
  const others: Mag[] = [
    { ...mag, gold: "8" },
    { ...mag, choices: [{ label: "A", text: "7" }] },
    { ...mag, source: { ...mag.source, use: "eval" } },
    { ...mag, passage: "Once." },
  ];
  assert.equal(mergeMags([mag, ...others]).length, 5);
  assert.equal(mergeMags([mag, { ...mag, id: "again", question: " Q? " }]).length, 1);
});
