// Nodes for missing answers, of rounds after a debate had ended or of agents without one: in the released code every graph
// has twelve nodes, three agents in four rounds.

import { edgesOf } from "../../mag/edges.ts";
import type { Mag, MagNode } from "../../mag/mag-schema.ts";

const ROUNDS = 4;
const NOTHING_SAID = "None";

/** A node for each agent and round without one, as the released code fills it: no reasoning, and the previous answer in
 * the order of agents and then rounds. */
export function missingNodes({ nodes }: Pick<Mag, "nodes">): MagNode[] {
  const agents = [...new Set(nodes.map(({ agent }) => agent))];
  const missing: MagNode[] = [];
  let answer: string | null = null;
  for (const agent of agents) {
    for (let round = 0; round < ROUNDS; round++) {
      const there = nodes.find((node) => node.agent === agent && node.round === round);
      if (there === undefined) missing.push({ agent, round, reasoning: NOTHING_SAID, answer, label: 0 });
      else answer = there.answer;
    }
  }
  return missing;
}

/** The graph with these nodes after its own, and with the released code's fixed edges from and to them. */
export function withMissing(mag: Mag, missing: readonly MagNode[]): Mag {
  const nodes = [...mag.nodes, ...missing];
  const touches = (index: number): boolean => index >= mag.nodes.length;
  const edges = edgesOf(nodes, "released").filter((ends) => ends.some(touches));
  return { ...mag, nodes, edges: [...mag.edges, ...edges] };
}
