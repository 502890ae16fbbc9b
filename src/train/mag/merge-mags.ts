// Graphs of one question from several sources as one graph. Nobody heard anybody across sources, so edges stay within.

import type { Edge, Mag, MagNode } from "./mag-schema.ts";
import { questionKey } from "./selections.ts";

/**
 * One graph for each question, choices, gold answer and use, in the order in which the questions first come. An agent
 * that several sources have is told apart by its source.
 */
export function mergeMags(mags: readonly Mag[]): Mag[] {
  const groups = new Map<string, Mag[]>();
  for (const mag of mags) {
    const key = JSON.stringify([questionKey(mag), mag.choices, mag.gold, mag.source.use, mag.passage]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [mag]);
    else group.push(mag);
  }
  return [...groups.values()].map((group) => (group.length === 1 ? group[0]! : merged(group)));
}

function merged(group: readonly Mag[]): Mag {
  const first = group[0]!; // groups have members
  const taken = new Set<string>();
  const nodes: MagNode[] = [];
  const edges: Edge[] = [];
  for (const mag of group) {
    const nameOf = new Map<string, string>();
    for (const { agent } of mag.nodes) {
      if (!nameOf.has(agent)) nameOf.set(agent, freeName(agent, mag, taken));
    }
    for (const name of nameOf.values()) taken.add(name);
    const start = nodes.length;
    nodes.push(...mag.nodes.map((node) => ({ ...node, agent: nameOf.get(node.agent)! })));
    edges.push(...mag.edges.map(([from, to]): Edge => [start + from, start + to]));
  }
  const terms = [...new Set(group.flatMap(({ source }) => source.terms ?? []))];
  return {
    ...first,
    nodes,
    edges,
    source: {
      origins: [...new Set(group.flatMap(({ source }) => source.origins))],
      use: first.source.use,
      terms: terms.length === 0 ? null : terms.join(", "),
    },
  };
}

function freeName(agent: string, mag: Mag, taken: ReadonlySet<string>): string {
  if (!taken.has(agent)) return agent;
  let name = `${agent} (${mag.source.origins.join(", ")})`;
  for (let again = 2; taken.has(name); again++)
    name = `${agent} (${mag.source.origins.join(", ")} #${again})`;
  return name;
}
