// Answers that are not in a graph, because its debate had ended or an agent had none: the released code gives each of
// twelve places, three agents in four rounds, a node. It knows no tokens.

import { edgesOf } from "../../mag/edges.ts";
import type { Mag, MagNode } from "../../mag/mag-schema.ts";

const ROUNDS = 4;
const NOTHING_SAID = "None";

/** A node for each agent and round without one. They say what the released code lets them say: nothing, and the answer
 * before it, agent by agent and round by round. */
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

/** The graph with these nodes behind its own, and those of the released code's fixed edges that touch one of them. */
export function withMissing(mag: Mag, missing: readonly MagNode[]): Mag {
  const nodes = [...mag.nodes, ...missing];
  const touches = (index: number): boolean => index >= mag.nodes.length;
  const edges = edgesOf(nodes, "released").filter((ends) => ends.some(touches));
  return { ...mag, nodes, edges: [...mag.edges, ...edges] };
}
