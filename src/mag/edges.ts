// The edges of an interaction graph, who heard whom, by the rules of a debate.

import type { Edge } from "./mag-schema.ts";

/** What edges depend on. `turn` counts all statements of a debate in which agents alternate. */
export interface Statement {
  readonly agent: string;
  readonly round: number;
  readonly turn?: number;
}

/** Rules for edges, by how a debate is held. */
export const EDGE_RULES = {
  rounds: "every node of round r-1 is heard by every node of round r (the paper's graphs)",
  turns: "speakers alternate: each hears the last statement of everybody before its turn, its own too",
  sequence:
    "speakers of a round take turns in their order and hear the others' last statements, not their own; from round 2 on only of those who still take part (DyLAN)",
  debaters: "as rounds, among those who speak in more than one round; the others only answered on their own",
  released:
    "the fixed 27 edges of the authors' code, by the agent's place (at most three agents, four rounds)",
  none: "nobody heard anybody",
} as const;

export type EdgeRule = keyof typeof EDGE_RULES;

/** Edges [from, to] of `nodes` under `rule`, by `to`, then `from`. Nodes of one round are in speaking order. */
export function edgesOf(nodes: readonly Statement[], rule: EdgeRule): Edge[] {
  const hears = HEARS[rule](nodes);
  const edges: Edge[] = [];
  for (let to = 0; to < nodes.length; to++) {
    for (let from = 0; from < nodes.length; from++)
      if (from !== to && hears(from, to)) edges.push([from, to]);
  }
  return edges;
}

/** Whether node `to` heard node `from`. */
type Hears = (from: number, to: number) => boolean;

const HEARS: Readonly<Record<EdgeRule, (nodes: readonly Statement[]) => Hears>> = {
  none: () => () => false,
  rounds: (nodes) => (from, to) => nodes[from]!.round === nodes[to]!.round - 1,
  debaters(nodes) {
    const debaters = new Set(nodes.filter(({ round }) => round > 0).map(({ agent }) => agent));
    return (from, to) =>
      debaters.has(nodes[from]!.agent) &&
      debaters.has(nodes[to]!.agent) &&
      nodes[from]!.round === nodes[to]!.round - 1;
  },
  turns(nodes) {
    const turn = (index: number): number => nodes[index]!.turn ?? index;
    return (from, to) => nodes[to]!.round > 0 && isLast(nodes, from, (other) => turn(other) < turn(to), turn);
  },
  sequence(nodes) {
    const agents = [...new Set(nodes.map(({ agent }) => agent))].sort(byName);
    const place = (index: number): number => agents.indexOf(nodes[index]!.agent);
    const time = (index: number): number => nodes[index]!.round * agents.length + place(index);
    return (from, to) => {
      const { agent, round } = nodes[to]!;
      if (round === 0 || nodes[from]!.agent === agent) return false;
      const takesPart = nodes.some((other) => other.agent === nodes[from]!.agent && other.round === round);
      if (round > 1 && !takesPart) return false;
      return isLast(nodes, from, (other) => time(other) < time(to), time);
    };
  },
  released(nodes) {
    const agents = [...new Set(nodes.map(({ agent }) => agent))];
    const slot = (index: number): number => 4 * agents.indexOf(nodes[index]!.agent) + nodes[index]!.round;
    return (from, to) =>
      nodes[from]!.round < 4 && nodes[to]!.round < 4 && RELEASED.has(`${slot(from)},${slot(to)}`);
  },
};

/** Numbers by value: agent2 before agent10. */
function byName(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** Whether `from` is its agent's last statement among the nodes that were `before`. */
function isLast(
  nodes: readonly Statement[],
  from: number,
  before: (index: number) => boolean,
  time: (index: number) => number,
): boolean {
  if (!before(from)) return false;
  return nodes.every(
    (node, other) => node.agent !== nodes[from]!.agent || !before(other) || time(other) <= time(from),
  );
}

/** construct_graph of the released code: node 4·agent + round. Some of its edges point backwards in time. */
const RELEASED: ReadonlySet<string> = new Set(
  (
    "0,1 1,2 2,3 4,5 5,6 6,7 8,9 9,10 10,11 0,5 5,8 1,4 1,8 0,9 4,9 2,5 2,9 1,6 6,9 1,10 5,10 " +
    "3,6 3,10 2,7 7,10 2,11 6,11"
  ).split(" "),
);
