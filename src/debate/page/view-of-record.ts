// The view of a debate, made of its record: a transcript, a graph, or agents' outputs in any format that can be imported.

import { z } from "zod";
import { canonicalAnswer } from "../../answers/answer.ts";
import { taskOf } from "../../answers/task.ts";
import { checked, isObject } from "../../base/files/json-file.ts";
import { edgesOf } from "../../mag/edges.ts";
import { formatOf, type ImportedRecord, importedRecord } from "../../mag/import-formats.ts";
import { type Asked, answerOf, hasGold } from "../../mag/labels.ts";
import { type Mag, magSchema } from "../../mag/mag-schema.ts";
import { isConsensus } from "../node-groups.ts";
import { teamAnswer } from "../team-answer.ts";
import type { DebateView, ViewAnswer, ViewNode } from "./debate-view.ts";

/** What a transcript says beyond what is imported. */
const spokenNode = z.object({
  confidence: z.number().nullish(),
  refused: z.boolean().nullish(),
  text: z.string().nullish(),
  model: z.string().nullish(),
  prompt_tokens: z.number().nullish(),
  completion_tokens: z.number().nullish(),
  usd: z.number().nullish(),
});
type SpokenNode = z.output<typeof spokenNode>;

const transcript = z.object({
  agents: z.array(spokenNode),
  missing: z
    .array(z.object({ agent: z.string(), round: z.int().min(0), error: z.string().default("") }))
    .default([]),
  consensus: z.boolean().nullish(),
  team: z
    .object({
      rescaled: z.string().nullish(),
      majority: z.string().nullish(),
      mean_confidence: z.string().nullish(),
    })
    .nullish(),
});
type Transcript = z.output<typeof transcript>;

/** `fallbackId` is for records without one. @throws MAGDI_BAD_FILE with `where` and every wrong field */
export function viewOfRecord(value: unknown, where: string, fallbackId: string): DebateView {
  if (isObject(value) && "nodes" in value) return viewOfMag(checked(magSchema, value, where));
  const record = importedRecord(value, formatOf(value), where);
  const more = isObject(value) && "agents" in value ? checked(transcript, value, where) : null;
  return viewOfOutputs(record, more, fallbackId);
}

function viewOfMag({ nodes, edges, ...mag }: Mag): DebateView {
  const answers = new Answers(mag);
  const viewed = nodes.map((node) => viewNode(node, node.answer, answers, {}));
  return {
    ...askedOf(mag),
    ...{ id: mag.id, benchmark: mag.benchmark, agents: agentsOf(nodes), models: [], answers: answers.all },
    ...{ nodes: viewed, missing: [], edges, ...outcomeOf(viewed, answers, null) },
  };
}

function viewOfOutputs(record: ImportedRecord, more: Transcript | null, fallbackId: string): DebateView {
  const { question, choices, passage, gold } = record;
  const of = { task: record.task ?? taskOf(question, choices, gold), choices, gold };
  const answers = new Answers(of);
  const seen = new Set<string>();
  const spoken = record.nodes
    .map((node, index) => ({ ...node, more: more?.agents[index] ?? {} }))
    .filter(({ agent, round }) => {
      const speaker = JSON.stringify([agent, round]);
      return !seen.has(speaker) && seen.add(speaker);
    })
    .sort((a, b) => a.round - b.round);
  const nodes = spoken.map((node) =>
    viewNode(node, answerOf(node.answer, node.reasoning, of), answers, node.more),
  );
  const missing = more?.missing ?? [];
  const agents = agentsOf([...nodes, ...missing]);
  const modelsOf = (agent: string): string => {
    const models = spoken.flatMap((node) => (node.agent === agent ? (node.more.model ?? []) : []));
    return [...new Set(models)].join(", ");
  };
  return {
    ...askedOf({ ...of, question, passage }),
    ...{ id: record.questionId ?? fallbackId, benchmark: record.benchmark ?? "debate" },
    ...{ agents, models: agents.map(modelsOf), answers: answers.all, nodes, missing },
    edges: edgesOf(spoken, record.edgeRule ?? "rounds"),
    ...outcomeOf(nodes, answers, more),
  };
}

function askedOf({
  task,
  question,
  choices,
  passage,
  gold,
}: Asked & Pick<DebateView, "question" | "passage">): Omit<Asked, "gold"> &
  Pick<DebateView, "question" | "passage" | "gold"> {
  return { task, question, choices, passage, gold: gold.trim() === "" ? null : gold };
}

/** By their first appearance: in round 0, all in the order in which they are asked. */
function agentsOf(nodes: readonly { readonly agent: string; readonly round: number }[]): string[] {
  return [...new Set(nodes.toSorted((a, b) => a.round - b.round).map(({ agent }) => agent))];
}

function viewNode(
  { agent, round, reasoning }: { readonly agent: string; readonly round: number; readonly reasoning: string },
  answer: string | null,
  answers: Answers,
  { confidence, refused, text, usd, ...tokens }: Partial<SpokenNode>,
): ViewNode {
  const group = answers.groupOf(answer);
  return {
    ...{ agent, round, reasoning, group, answer: group === null ? null : answer },
    confidence: confidence ?? null,
    text: text === undefined || text === null || text.trim() === reasoning.trim() ? null : text,
    refused: refused ?? false,
    promptTokens: tokens.prompt_tokens ?? null,
    completionTokens: tokens.completion_tokens ?? null,
    usd: usd ?? null,
  };
}

/** As it is recorded; where it is not, by the nodes of the last round. Without confidences there is but one vote. */
function outcomeOf(
  nodes: readonly ViewNode[],
  answers: Answers,
  recorded: Transcript | null,
): Pick<DebateView, "consensus" | "votes"> {
  const lastRound = Math.max(0, ...nodes.map(({ round }) => round));
  const last = nodes.filter(({ round }) => round === lastRound);
  const keyed = last.map((node) => ({ ...node, key: node.group === null ? null : String(node.group) }));
  const counted = teamAnswer(keyed);
  const { team } = recorded ?? {};
  const votes: [string, string | null][] =
    team === null || team === undefined
      ? [["majority", counted.majority]]
      : [
          ["rescaled confidences", team.rescaled ?? null],
          ["majority", team.majority ?? null],
          ["mean confidence", team.mean_confidence ?? null],
        ];
  return {
    consensus: recorded?.consensus ?? isConsensus(keyed),
    votes: votes.map(([name, answer]) => ({ name, answer, group: answers.groupOf(answer) })),
  };
}

/** The different answers of a debate, by value. */
class Answers {
  readonly all: ViewAnswer[] = [];
  readonly hasGold: boolean;
  readonly #asked: Asked;
  readonly #groups = new Map<string, number>();

  constructor(asked: Asked) {
    this.#asked = asked;
    this.hasGold = hasGold(asked);
  }

  /** The place of an answer, which is a new one if it was not given before. Null for none. */
  groupOf(answer: string | null): number | null {
    const key = answer === null ? null : this.#keyOf(answer);
    if (answer === null || key === null) return null;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = this.all.length;
    this.#groups.set(key, group);
    this.all.push({ text: answer, correct: this.hasGold ? key === this.#keyOf(this.#asked.gold) : null });
    return group;
  }

  #keyOf(answer: string): string | null {
    const { task, choices } = this.#asked;
    return canonicalAnswer(task, answer, { choices });
  }
}
