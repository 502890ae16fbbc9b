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
  const heardBy = HEARD[rule](nodes);
  return nodes.flatMap((_, to) =>
    heardBy(to)
      .filter((from) => from !== to)
      .sort((a, b) => a - b)
      .map((from): Edge => [from, to]),
  );
}

/** The nodes that node `to` heard, and perhaps itself, in any order. */
type HeardBy = (to: number) => number[];

const HEARD: Readonly<Record<EdgeRule, (nodes: readonly Statement[]) => HeardBy>> = {
  none: () => () => [],
  rounds(nodes) {
    const inRound = groupsBy(nodes, ({ round }) => round);
    return (to) => [...(inRound.get(nodes[to]!.round - 1) ?? [])];
  },
  debaters(nodes) {
    const debaters = new Set(nodes.filter(({ round }) => round > 0).map(({ agent }) => agent));
    const debates = (index: number): boolean => debaters.has(nodes[index]!.agent);
    const inRound = groupsBy(nodes, ({ round }) => round);
    return (to) => (debates(to) ? (inRound.get(nodes[to]!.round - 1) ?? []).filter(debates) : []);
  },
  turns(nodes) {
    const turns = nodes.map(({ turn }, index) => turn ?? index);
    const byAgent = [...groupsBy(nodes, ({ agent }) => agent).values()];
    return (to) => (nodes[to]!.round > 0 ? byAgent.flatMap((own) => lastBefore(own, turns[to]!, turns)) : []);
  },
  sequence(nodes) {
    const ofAgent = groupsBy(nodes, ({ agent }) => agent);
    const places = new Map([...ofAgent.keys()].sort(byName).map((agent, place) => [agent, place]));
    const times = nodes.map(({ agent, round }) => round * places.size + places.get(agent)!);
    const inRound = groupsBy(nodes, ({ round }) => round);
    return (to) => {
      const { agent, round } = nodes[to]!;
      if (round === 0) return [];
      const speaking = inRound.get(round) ?? [];
      const heard = new Set(round > 1 ? speaking.map((index) => nodes[index]!.agent) : ofAgent.keys());
      heard.delete(agent);
      return [...heard].flatMap((other) => lastBefore(ofAgent.get(other)!, times[to]!, times));
    };
  },
  released(nodes) {
    const agents = [...groupsBy(nodes, ({ agent }) => agent).keys()].slice(0, RELEASED_AGENTS);
    const slot = ({ agent, round }: Statement): string | null =>
      agents.includes(agent) && round < 4 ? String(4 * agents.indexOf(agent) + round) : null;
    const placed = nodes.flatMap((node, index) => {
      const name = slot(node);
      return name === null ? [] : [{ index, name }];
    });
    return (to) => {
      const name = slot(nodes[to]!);
      return placed.filter((from) => RELEASED.has(`${from.name},${name}`)).map(({ index }) => index);
    };
  },
};

/** Numbers by value: agent2 before agent10. */
function byName(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** The places of nodes with the same key, in order. */
function groupsBy<K>(nodes: readonly Statement[], keyOf: (node: Statement) => K): Map<K, number[]> {
  const groups = new Map<K, number[]>();
  for (const [index, node] of nodes.entries()) {
    const key = keyOf(node);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
  }
  return groups;
}

/** The last of one agent's nodes before a time; several when they are of one time. */
function lastBefore(own: readonly number[], time: number, times: readonly number[]): number[] {
  let last = Number.NEGATIVE_INFINITY;
  for (const index of own) if (times[index]! < time) last = Math.max(last, times[index]!);
  return own.filter((index) => times[index] === last);
}

const RELEASED_AGENTS = 3;

/** construct_graph of the released code: node 4·agent + round. Some of its edges point backwards in time. */
const RELEASED: ReadonlySet<string> = new Set(
  (
    "0,1 1,2 2,3 4,5 5,6 6,7 8,9 9,10 10,11 0,5 5,8 1,4 1,8 0,9 4,9 2,5 2,9 1,6 6,9 1,10 5,10 " +
    "3,6 3,10 2,7 7,10 2,11 6,11"
  ).split(" "),
);
