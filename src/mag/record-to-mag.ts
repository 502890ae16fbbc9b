// Converts one record of agents' outputs to a MAG: recomputes labels, makes edges, cleans the reasoning, and counts.

import path from "node:path";
import { extractAnswer } from "../answers/answer.ts";
import { type Task, taskOf } from "../answers/task.ts";
import { checked } from "../base/files/json-file.ts";
import { type Cleaning, cleanReasoning } from "./cleaning.ts";
import { type EdgeRule, edgesOf } from "./edges.ts";
import type { ImportedNode, ImportedRecord } from "./import-formats.ts";
import { type Asked, answerOf, hasGold, labelOf } from "./labels.ts";
import { type Mag, type MagNode, magSchema, withNodes } from "./mag-schema.ts";

export interface RecordOptions {
  /** Default: by the format or the source, else "rounds". */
  readonly edges?: EdgeRule;
  /** Default "echoes". */
  readonly cleaning?: Cleaning;
  /** "reread" prefers what our extractor finds in the reasoning. Default "recorded". */
  readonly answers?: "recorded" | "reread";
  /** Later rounds are dropped. Default 3, as in the paper. */
  readonly maxRound?: number;
  /** Default: all. */
  readonly agents?: readonly string[];
  readonly benchmark?: string;
  readonly task?: Task;
  readonly terms?: string;
}

/** Counts for one file, all zero. */
export const noCounts = () => ({
  records: 0,
  /** Records that are not JSON or lack a field, skipped. */
  broken: 0,
  /** Records of the other use, skipped. */
  otherUse: 0,
  /** Training records whose question is for evaluation, here or in an excluded file, skipped. */
  excludedQuestions: 0,
  /** Records whose gold answer is not one of the task. */
  unreadableGold: 0,
  /** Records without any node of the wanted agents and rounds. */
  withoutNodes: 0,
  /** Second outputs of one agent in one round. */
  repeatedNodes: 0,
  mags: 0,
  nodes: 0,
  edges: 0,
  correct: 0,
  /** Nodes whose recomputed label differs from the source's. */
  relabelled: 0,
  withoutAnswer: 0,
  withoutReasoning: 0,
  echoesRemoved: 0,
  annotationsRemoved: 0,
});
export type ImportCounts = ReturnType<typeof noCounts>;

/** How debates of known sources were held, for records that do not say. */
const SOURCE_RULES: readonly (readonly [RegExp, EdgeRule])[] = [
  [/^dylan/, "sequence"],
  [/^utsa_debate/, "debaters"],
];

/**
 * Null, with the reason counted, when the record gives no MAG.
 * @throws MAGDI_BAD_FILE when the MAG is invalid, such as one with a single choice
 */
export function magOf(
  record: ImportedRecord,
  { source, where }: { readonly source: string; readonly where: string },
  options: RecordOptions,
  count: ImportCounts,
): Mag | null {
  const asked: Asked = {
    task: options.task ?? record.task ?? taskOf(record.question, record.choices, record.gold),
    choices: record.choices,
    gold: record.gold,
  };
  if (!hasGold(asked)) {
    count.unreadableGold += 1;
    return null;
  }
  const origin = path.basename(source).replace(/(?:\.jsonl?)?(?:\.gz)?$/, "");
  const spoken = inOrder(record.nodes, count);
  const rule =
    options.edges ??
    record.edgeRule ??
    SOURCE_RULES.find(([pattern]) => pattern.test(origin))?.[1] ??
    "rounds";
  const wanted = new Set(options.agents);
  const maxRound = options.maxRound ?? 3;
  const nodes = spoken.map((node) => magNode(node, asked, options));
  const whole: Mag = {
    id: [
      origin,
      record.questionId ?? count.records,
      ...(record.variant === null ? [] : [record.variant]),
    ].join("/"),
    benchmark: options.benchmark ?? record.benchmark ?? benchmarkOf(record.questionId) ?? origin,
    task: asked.task,
    question: record.question,
    choices: record.choices === null ? null : [...record.choices],
    passage: record.passage,
    gold: record.gold,
    nodes: nodes.map(({ node }) => node),
    edges: edgesOf(spoken, rule),
    source: { origins: [origin], use: record.use ?? "train", terms: options.terms ?? folderTerms(source) },
  };
  const mag = withNodes(
    whole,
    ({ agent, round }) => round <= maxRound && (wanted.size === 0 || wanted.has(agent)),
  );
  if (mag === null) {
    count.withoutNodes += 1;
    return null;
  }
  checked(magSchema, mag, where);
  const kept = new Set(mag.nodes);
  for (const { node, relabelled, echoesRemoved, annotationsRemoved } of nodes) {
    if (!kept.has(node)) continue;
    count.relabelled += Number(relabelled);
    count.echoesRemoved += echoesRemoved;
    count.annotationsRemoved += annotationsRemoved;
    count.correct += node.label;
    count.withoutAnswer += Number(node.answer === null);
    count.withoutReasoning += Number(node.reasoning === "");
  }
  count.mags += 1;
  count.nodes += mag.nodes.length;
  count.edges += mag.edges.length;
  return mag;
}

/** By round, without an agent's further outputs in the same round. */
function inOrder(nodes: readonly ImportedNode[], count: ImportCounts): ImportedNode[] {
  const first = new Map<string, ImportedNode>();
  for (const node of nodes) {
    const speaker = JSON.stringify([node.agent, node.round]);
    if (first.has(speaker)) count.repeatedNodes += 1;
    else first.set(speaker, node);
  }
  return [...first.values()].sort((a, b) => a.round - b.round);
}

interface CleanedNode {
  readonly node: MagNode;
  readonly relabelled: boolean;
  readonly echoesRemoved: number;
  readonly annotationsRemoved: number;
}

function magNode(node: ImportedNode, asked: Asked, options: RecordOptions): CleanedNode {
  const { agent, round, correct } = node;
  const recorded = answerOf(node.answer, node.reasoning, asked);
  // Extracted before cleaning: an echo may contain the answer.
  const answer =
    options.answers === "reread"
      ? (extractAnswer(asked.task, node.reasoning, { choices: asked.choices }) ?? recorded)
      : recorded;
  const label = labelOf(answer, asked);
  const { text, ...removed } = cleanReasoning(node.reasoning, options.cleaning ?? "echoes", round > 0);
  return {
    node: {
      agent,
      round,
      reasoning: text.trim(),
      answer: answer === null || answer.trim() === "" ? null : answer,
      label,
    },
    relabelled: correct !== undefined && correct !== (label === 1),
    ...removed,
  };
}

/** Collections separate data that may be published from other data by folder. */
function folderTerms(source: string): string | null {
  const folder = path.basename(path.dirname(path.resolve(source)));
  return folder === "open" || folder === "research" ? folder : null;
}

/** "gsm8k-test-0" → "gsm8k". */
function benchmarkOf(questionId: string | null): string | null {
  return /^([a-z][a-z0-9]*)-/i.exec(questionId ?? "")?.[1] ?? null;
}
