// Import: records of agents' outputs in, MAGs out, with labels recomputed, edges by who heard whom, echoes cleaned
// away, and everything that was left out counted. It writes no file.

import path from "node:path";
import { extractAnswer } from "../../reasoning/answer.ts";
import type { Task } from "../../reasoning/task.ts";
import { type Cleaning, cleanReasoning } from "./cleaning.ts";
import { type EdgeRule, edgesOf } from "./edges.ts";
import {
  formatOf,
  type ImportedNode,
  type ImportedRecord,
  type ImportFormat,
  importedRecord,
} from "./import-formats.ts";
import { readJsonRecords } from "./json-lines.ts";
import { type Asked, answerOf, hasGold, labelOf, taskOf } from "./labels.ts";
import { type Mag, type MagNode, type Use, withNodes } from "./mag-schema.ts";
import { questionKey } from "./selections.ts";

export interface ImportOptions {
  /** Default: told by each file's first record. */
  readonly format?: ImportFormat;
  /** Which records are taken; records that say nothing are for training. Default "train". */
  readonly use?: Use;
  /** Default: what the format or the source says, else "rounds". */
  readonly edges?: EdgeRule;
  readonly cleaning?: Cleaning;
  /** "reread" takes what our extractor finds in the reasoning before what was recorded. Default "recorded". */
  readonly answers?: "recorded" | "reread";
  /** Later rounds are left out. Default 3, as in the paper. */
  readonly maxRound?: number;
  /** Only these agents. */
  readonly agents?: readonly string[];
  readonly benchmark?: string;
  readonly task?: Task;
  readonly terms?: string;
  /** Questions (as questionKey has them) that must not be learned from, besides those of the sources' eval records. */
  readonly excluded?: ReadonlySet<string>;
}

/** What happened to one file. */
export interface ImportCounts {
  records: number;
  /** Records of the other use: never written. */
  otherUse: number;
  /** Records for training whose question is one for evaluation, here or in an excluded file. */
  excludedQuestions: number;
  /** Records whose gold answer is none of its task's. */
  unreadableGold: number;
  /** Records without any node of the agents and rounds that were asked for. */
  withoutNodes: number;
  /** Second outputs of one agent in one round. */
  repeatedNodes: number;
  mags: number;
  nodes: number;
  edges: number;
  correct: number;
  /** Nodes whose recomputed label is not what the source says. */
  relabelled: number;
  withoutAnswer: number;
  withoutReasoning: number;
  sentencesRemoved: number;
  annotationsRemoved: number;
}

/** How the debates of known sources were held, where the records do not say. */
const SOURCE_RULES: readonly (readonly [RegExp, EdgeRule])[] = [
  [/^dylan/, "sequence"],
  [/^utsa_debate/, "debaters"],
];

/**
 * The MAGs of `sources`, in their order. Training never gets a question that any source or `excluded` marks for
 * evaluation, whatever record it comes in. `counts` is filled as the MAGs come, by source.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE naming file, line and field
 */
export async function* importMags(
  sources: readonly string[],
  options: ImportOptions,
  counts: Map<string, ImportCounts>,
): AsyncGenerator<Mag> {
  const use = options.use ?? "train";
  const excluded = new Set(options.excluded);
  if (use === "train") {
    for (const source of sources)
      for (const key of await questionsOf(source, (recorded) => recorded === "eval")) excluded.add(key);
  }
  const ids = new Set<string>();
  for (const source of sources) {
    const count = noCounts();
    counts.set(source, count);
    let format = options.format;
    for await (const { where, value } of readJsonRecords(source)) {
      format ??= formatOf(value);
      const record = importedRecord(value, format, where);
      count.records += 1;
      if ((record.use ?? "train") !== use) count.otherUse += 1;
      else if (use === "train" && excluded.has(questionKey(record))) count.excludedQuestions += 1;
      else {
        const mag = magOf(record, source, options, count);
        if (mag !== null) yield { ...mag, id: uniqueId(mag.id, ids) };
      }
    }
  }
}

/** The questions, as questionKey has them, of a file's records whose `use` is wanted; undefined where there is none. */
export async function questionsOf(source: string, wanted: (use: unknown) => boolean): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const { value } of readJsonRecords(source)) {
    if (typeof value !== "object" || value === null || !("question" in value)) continue;
    if (typeof value.question === "string" && wanted("use" in value ? value.use : undefined)) {
      keys.add(questionKey({ question: value.question }));
    }
  }
  return keys;
}

function magOf(
  record: ImportedRecord,
  source: string,
  options: ImportOptions,
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
  const kept = new Set(mag.nodes);
  for (const { node, relabelled, sentencesRemoved, annotationsRemoved } of nodes) {
    if (!kept.has(node)) continue;
    count.relabelled += Number(relabelled);
    count.sentencesRemoved += sentencesRemoved;
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

/** By round, then as they come; the first of an agent's outputs in one round. */
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
  readonly sentencesRemoved: number;
  readonly annotationsRemoved: number;
}

function magNode(node: ImportedNode, asked: Asked, options: ImportOptions): CleanedNode {
  const { agent, round, correct } = node;
  const recorded = answerOf(node.answer, node.reasoning, asked);
  // What was said is read before echoes go: they may hold the answer.
  const answer =
    options.answers === "reread"
      ? (extractAnswer(asked.task, node.reasoning, { choices: asked.choices }) ?? recorded)
      : recorded;
  const label = labelOf(answer, asked);
  const { text, ...removed } = cleanReasoning(node.reasoning, options.cleaning ?? "echoes");
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

/** Collections keep what may be published apart from what may not by folder. */
function folderTerms(source: string): string | null {
  const folder = path.basename(path.dirname(path.resolve(source)));
  return folder === "open" || folder === "research" ? folder : null;
}

/** "gsm8k-test-0" is one of gsm8k's. */
function benchmarkOf(questionId: string | null): string | null {
  return /^([a-z][a-z0-9]*)-/i.exec(questionId ?? "")?.[1] ?? null;
}

function uniqueId(id: string, ids: Set<string>): string {
  let unique = id;
  for (let again = 2; ids.has(unique); again++) unique = `${id}#${again}`;
  ids.add(unique);
  return unique;
}

function noCounts(): ImportCounts {
  return {
    records: 0,
    otherUse: 0,
    excludedQuestions: 0,
    unreadableGold: 0,
    withoutNodes: 0,
    repeatedNodes: 0,
    mags: 0,
    nodes: 0,
    edges: 0,
    correct: 0,
    relabelled: 0,
    withoutAnswer: 0,
    withoutReasoning: 0,
    sentencesRemoved: 0,
    annotationsRemoved: 0,
  };
}
