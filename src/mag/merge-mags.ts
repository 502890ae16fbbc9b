// Merges the graphs of one question from several sources. Edges stay within a source.

import { MagdiError } from "../base/errors.ts";
import { type Edge, type Mag, type MagNode, MOST_NODES } from "./mag-schema.ts";
import { questionKey } from "./question-split.ts";

/**
 * One graph for each question, choices, gold answer, passage and use, by first occurrence. A first-round statement that two
 * sources have, such as a debate and the answers it started from, becomes one node; other agents of the same name get their
 * source's name added.
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

interface MergedNode {
  readonly node: MagNode;
  /** The agent's name in its own source. */
  readonly agent: string;
}

function merged(group: readonly Mag[]): Mag {
  const first = group[0]!; // groups have members
  const nodes: MergedNode[] = [];
  const taken = new Set<string>();
  const edges: Edge[] = [];
  for (const mag of group) {
    const before = [...nodes];
    const own = mag.nodes.map((node) =>
      before.findIndex((other) => other.agent === node.agent && isSameStatement(other.node, node)),
    );
    const names = new Map<string, string>();
    const placeOf = mag.nodes.map((node, index) => {
      const same = own[index]!;
      if (same >= 0) return same;
      let name = names.get(node.agent);
      if (name === undefined) {
        const rounds = mag.nodes.flatMap(({ agent, round }, at) =>
          agent === node.agent && own[at]! < 0 ? [round] : [],
        );
        name = freeName(node.agent, rounds, mag, taken);
        names.set(node.agent, name);
      }
      taken.add(speech(name, node.round));
      return nodes.push({ node: { ...node, agent: name }, agent: node.agent }) - 1;
    });
    if (nodes.length > MOST_NODES) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${mag.id}: expected at most ${MOST_NODES} nodes for its question from all sources, found more; merge fewer sources`,
      );
    }
    for (const [from, to] of mag.edges) edges.push([placeOf[from]!, placeOf[to]!]);
  }
  const terms = [...new Set(group.flatMap(({ source }) => source.terms ?? []))];
  return {
    ...first,
    nodes: nodes.map(({ node }) => node),
    edges,
    source: {
      origins: [...new Set(group.flatMap(({ source }) => source.origins))],
      use: first.source.use,
      terms: terms.length === 0 ? null : terms.join(", "),
    },
  };
}

/** Both of round 0 with the same answer, one text the beginning of the other: some sources are truncated. */
function isSameStatement(a: MagNode, b: MagNode): boolean {
  if (a.round !== 0 || b.round !== 0 || a.answer !== b.answer) return false;
  const [short, long] = [a.reasoning, b.reasoning].sort((one, other) => one.length - other.length);
  return short === long || (short !== "" && long!.startsWith(short!));
}

function freeName(agent: string, rounds: readonly number[], mag: Mag, taken: ReadonlySet<string>): string {
  const origins = mag.source.origins.join(", ");
  const isFree = (name: string): boolean => rounds.every((round) => !taken.has(speech(name, round)));
  if (isFree(agent)) return agent;
  let name = `${agent} (${origins})`;
  for (let again = 2; !isFree(name); again++) name = `${agent} (${origins} #${again})`;
  return name;
}

function speech(agent: string, round: number): string {
  return JSON.stringify([agent, round]);
}
