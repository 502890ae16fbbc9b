// The schema of a multi-agent interaction graph (MAG): one question, the agents' answers round by round, and who heard
// whom.

import { z } from "zod";
import { MOST_CHOICES, TASKS } from "../answers/task.ts";

/** Whether a student may be trained or evaluated on a question. */
export const USES = ["train", "eval"] as const;
export type Use = (typeof USES)[number];

/** Hundreds of times the paper's debates. Edges, and the memory of a training step, grow with its square. */
export const MOST_NODES = 1024;
/** Of two rounds that hear each other whole. */
const MOST_EDGES = MOST_NODES ** 2 / 4;

/** A list that is refused by its length before its elements are looked at. */
export const listUpTo = <T extends z.ZodType>(most: number, element: T) =>
  z.array(element).max(most, {
    error: ({ input }) => `expected at most ${most}, found ${Array.isArray(input) ? input.length : "none"}`,
  });

const node = z.strictObject({
  agent: z.string().min(1).describe("who spoke: a model, or one of its prompts or samples"),
  round: z.int().min(0).describe("0 before hearing anyone, then counted up"),
  reasoning: z.string().describe("what was said, cleaned"),
  answer: z.string().nullable().describe("the answer as it was stated; null when none could be read"),
  label: z.literal([0, 1]).describe("1 when the answer equals the gold one, else 0"),
});

const source = z.strictObject({
  origins: listUpTo(MOST_NODES, z.string().min(1))
    .min(1)
    .describe("the files that the nodes came from, without folder"),
  use: z.enum(USES).describe("train, or eval: never to be learned from"),
  terms: z.string().nullable().describe("under which terms it may be used, as the importer was told"),
});

/** One MAG as JSON. Edges are [from, to], indices into nodes: node `to` heard node `from`. */
export const magSchema = z
  .strictObject({
    id: z.string().min(1),
    benchmark: z.string().min(1),
    task: z.enum(TASKS),
    question: z.string().min(1),
    choices: listUpTo(MOST_CHOICES, z.strictObject({ label: z.string().min(1), text: z.string() }))
      .min(2)
      .nullable(),
    passage: z.string().nullable(),
    gold: z.string().min(1),
    nodes: listUpTo(MOST_NODES, node).min(1),
    edges: listUpTo(MOST_EDGES, z.tuple([z.int(), z.int()])),
    source,
  })
  .superRefine((mag, context) => {
    const speakers = new Set<string>();
    for (const [index, { agent, round }] of mag.nodes.entries()) {
      const speaker = JSON.stringify([agent, round]);
      if (speakers.has(speaker)) {
        context.addIssue({
          code: "custom",
          path: ["nodes", index],
          message: `expected one node an agent and round, found ${agent} in round ${round} twice`,
        });
      }
      speakers.add(speaker);
    }
    const seen = new Set<string>();
    for (const [index, edge] of mag.edges.entries()) {
      const problem = edgeProblem(edge, mag.nodes.length, seen);
      if (problem !== null) context.addIssue({ code: "custom", path: ["edges", index], message: problem });
      seen.add(edge.join());
    }
  });

export type Mag = z.infer<typeof magSchema>;
export type MagNode = Mag["nodes"][number];
/** [from, to]: `to` heard `from`. */
export type Edge = Mag["edges"][number];

function edgeProblem(
  edge: readonly [number, number],
  nodes: number,
  seen: ReadonlySet<string>,
): string | null {
  if (edge.some((end) => end < 0 || end >= nodes)) {
    return `expected two of the nodes 0 to ${nodes - 1}, found [${edge.join(", ")}]`;
  }
  if (edge[0] === edge[1])
    return `expected two nodes, found [${edge.join(", ")}]: a node hears itself without an edge`;
  return seen.has(edge.join()) ? `expected each edge once, found [${edge.join(", ")}] again` : null;
}

/** "G0", "G1", …: the number of rounds after the independent one. */
export function graphType(mag: Pick<Mag, "nodes">): string {
  return `G${Math.max(0, ...mag.nodes.map(({ round }) => round))}`;
}

/** The subgraph of the nodes that `keep` accepts; null when it has none. */
export function withNodes(mag: Mag, keep: (node: MagNode) => boolean): Mag | null {
  const renumbered = new Map<number, number>();
  const nodes = mag.nodes.filter((node, index) => {
    const kept = keep(node);
    if (kept) renumbered.set(index, renumbered.size);
    return kept;
  });
  if (nodes.length === 0) return null;
  if (nodes.length === mag.nodes.length) return mag;
  const edges = mag.edges.flatMap(([from, to]): Edge[] => {
    const [a, b] = [renumbered.get(from), renumbered.get(to)];
    return a === undefined || b === undefined ? [] : [[a, b]];
  });
  return { ...mag, nodes, edges };
}
