// A small graph of three agents and two rounds.

import { edgesOf } from "../../../src/mag/edges.ts";
import type { Mag } from "../../../src/mag/mag-schema.ts";

/** a0 right, b0 wrong, c0 right, a1 right, b1 right, c1 wrong; gold 7; the question is "ID?". */
export function sampleMag(id: string): Mag {
  const nodes = (["a", "b", "c", "a", "b", "c"] as const).map((agent, index) => {
    const label = index === 1 || index === 5 ? (0 as const) : (1 as const);
    const answer = label === 1 ? "7" : "8";
    return { agent, round: index < 3 ? 0 : 1, reasoning: `3 plus 4 gives ${answer}.`, answer, label };
  });
  return {
    id,
    benchmark: "sums",
    task: "math",
    question: `${id}?`,
    choices: null,
    passage: null,
    gold: "7",
    nodes,
    edges: edgesOf(nodes, "rounds"),
    source: { origins: ["sample"], use: "train", terms: null },
  };
}
