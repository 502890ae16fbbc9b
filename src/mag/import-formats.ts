// The record formats that MAGs are imported from, each read as the same ImportedRecord.

import { z } from "zod";
import type { Choice } from "../answers/task.ts";
import { MOST_CHOICES, TASKS, type Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { checked, shown } from "../base/files/json-file.ts";
import type { EdgeRule } from "./edges.ts";
import { listUpTo, MOST_NODES, USES, type Use } from "./mag-schema.ts";

export interface ImportedNode {
  readonly agent: string;
  readonly round: number;
  /** Counts all statements of a debate in which agents alternate. */
  readonly turn?: number;
  readonly reasoning: string;
  /** Null: the source found none. Undefined: the source does not say. */
  readonly answer: string | null | undefined;
  /** The source's label, only for comparison. */
  readonly correct?: boolean;
}

export interface ImportedRecord {
  readonly questionId: string | null;
  readonly benchmark: string | null;
  readonly task: Task | null;
  /** Distinguishes several records of one question in a file, such as the debate's name. */
  readonly variant: string | null;
  readonly question: string;
  readonly choices: readonly Choice[] | null;
  readonly passage: string | null;
  readonly gold: string;
  readonly use: Use | null;
  readonly nodes: readonly ImportedNode[];
  /** Null when the format does not say how the debate was held. */
  readonly edgeRule: EdgeRule | null;
}

/** The formats of --format, with their fields. */
export const IMPORT_FORMATS = {
  transcripts:
    "{question, gold, choices?, agents: [{agent, round, reasoning, answer?, turn?}], id?, task?, use?}",
  agents:
    "transcripts with question_id and use (train or eval) required, and debate or setting where there are several",
  magdi: "the authors' MAGs: {question, gold_answer, AGENT_output_ROUND: {reasoning, answer} or null}",
} as const;

export type ImportFormat = keyof typeof IMPORT_FORMATS;

/** Some sources write answers as numbers or booleans. */
export const answerScalar = z
  .union([z.string(), z.number(), z.boolean()], {
    error: ({ input }) => `expected a text, a number, true or false, found ${shown(input)}`,
  })
  .transform((value) => (typeof value === "boolean" ? (value ? "yes" : "no") : String(value)));

/** Of an output that is a list of texts. */
const MOST_LINES = 2 ** 16;

const text = z
  .union([z.string(), listUpTo(MOST_LINES, z.string()), z.null()], {
    error: ({ input }) => `expected a text or a list of texts, found ${shown(input)}`,
  })
  .optional()
  .transform((said) => (Array.isArray(said) ? said.join(" ") : (said ?? "")));

/** Texts, or labels with texts. */
export const choiceList = listUpTo(
  MOST_CHOICES,
  z.union([z.string(), z.object({ label: answerScalar, text: z.string() })], {
    error: ({ input }) => `expected a text or {label, text}, found ${shown(input)}`,
  }),
).nullish();

const transcript = z.object({
  id: z.string().min(1).optional(),
  question_id: z.string().min(1).optional(),
  benchmark: z.string().min(1).optional(),
  task: z.enum(TASKS).optional(),
  debate: z.string().optional(),
  setting: z.string().optional(),
  question: z.string().min(1),
  choices: choiceList,
  passage: z.string().nullish(),
  gold: answerScalar,
  use: z.enum(USES).optional(),
  agents: listUpTo(
    MOST_NODES,
    z.object({
      agent: z.string().min(1),
      round: z.int().min(0).default(0),
      turn: z.int().min(0).optional(),
      reasoning: text,
      answer: answerScalar.nullish(),
      correct: z.boolean().optional(),
    }),
  ),
});

const agentsRecord = transcript.required({ question_id: true, use: true });

const released = z
  .object({
    question: z.string().min(1),
    gold_answer: answerScalar,
    options: choiceList,
    choices: choiceList,
    id: answerScalar.optional(),
  })
  .catchall(z.unknown());
const releasedOutput = z.object({ reasoning: text, answer: answerScalar.nullish() }).nullable();

/** @throws MAGDI_BAD_FILE with `where` and every wrong field */
export function importedRecord(value: unknown, format: ImportFormat, where: string): ImportedRecord {
  if (format === "magdi") return fromReleased(checked(released, value, where), where);
  return fromTranscript(checked(format === "agents" ? agentsRecord : transcript, value, where), where);
}

/** The format of a record by its fields; transcripts if none fits, whose errors say what is missing. */
export function formatOf(value: unknown): ImportFormat {
  if (typeof value !== "object" || value === null) return "transcripts";
  if ("agents" in value) return "question_id" in value && "use" in value ? "agents" : "transcripts";
  return "gold_answer" in value || Object.keys(value).some((key) => OUTPUT.test(key))
    ? "magdi"
    : "transcripts";
}

/** Whether a record is one of agents' outputs, in any of the formats. */
export function holdsOutputs(value: object): boolean {
  return "agents" in value || formatOf(value) === "magdi";
}

function fromTranscript(record: z.output<typeof transcript>, where: string): ImportedRecord {
  const questionId = record.question_id ?? record.id ?? null;
  const turns = record.agents.length > 0 && record.agents.every(({ turn }) => turn !== undefined);
  return {
    questionId,
    benchmark: record.benchmark ?? null,
    task: record.task ?? null,
    variant: record.debate ?? record.setting ?? null,
    question: record.question,
    choices: labelledChoices(record.choices, record.gold, `${where}: gold`),
    passage: record.passage ?? null,
    gold: record.gold,
    use: record.use ?? null,
    nodes: record.agents.map(({ turn, answer, correct, ...node }) => ({
      ...node,
      answer,
      ...(turn === undefined ? {} : { turn }),
      ...(correct === undefined ? {} : { correct }),
    })),
    edgeRule: turns ? "turns" : null,
  };
}

const OUTPUT = /^(.+)_output_(\d+)$/;
/** The order of agents in the authors' code. */
const RELEASED_ORDER = ["claude", "gpt", "bard"];

/** "B) blue", "(2) blue" and the like. */
const LABELLED = /^\s*\(?([A-Z]|\d{1,2})[).:]\s*(?=\S)/;

/**
 * Choices with their own labels, else A, B, … or, when the gold answer is a position from 1 and not a choice's text, 1, 2, …
 * @throws MAGDI_BAD_FILE for a position from 0
 */
export function labelledChoices(
  list: z.output<typeof choiceList>,
  gold: string,
  where: string,
): Choice[] | null {
  if (list === null || list === undefined || list.length === 0) return null;
  const matches = list.map((choice) => (typeof choice === "string" ? LABELLED.exec(choice) : null));
  const labels = matches.map((match) => match?.[1]);
  const own = new Set(labels).size === list.length && !labels.includes(undefined);
  if (gold.trim() === "0" && !own && list.every((choice) => typeof choice === "string" && choice !== "0")) {
    // A file whose places count from 0 would have every other answer one too far.
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${where}: expected a choice's label, its text, or its place from 1, found 0; write the labels (A, B, …)`,
    );
  }
  const isPlace = /^\s*\d+\s*$/.test(gold) && Number(gold) >= 1 && Number(gold) <= list.length;
  const numbered = list.length > 26 || (isPlace && !list.includes(gold.trim()));
  return list.map((choice, index): Choice => {
    if (typeof choice !== "string") return choice;
    const [opening = "", label = ""] = own ? (matches[index] ?? []) : [];
    if (label !== "") return { label, text: choice.slice(opening.length) };
    return { label: numbered ? String(index + 1) : String.fromCharCode(65 + index), text: choice };
  });
}

function fromReleased(record: z.output<typeof released>, where: string): ImportedRecord {
  const outputs = Object.keys(record).filter((key) => OUTPUT.test(key)).length;
  checked(z.int().max(MOST_NODES), outputs, `${where}: outputs`);
  const nodes = Object.entries(record).flatMap(([key, value]): ImportedNode[] => {
    const [, agent, round] = OUTPUT.exec(key) ?? [];
    if (agent === undefined) return [];
    const output = checked(releasedOutput, value, `${where}: ${key}`);
    // As in the authors' code, an empty output counts as none.
    if (output === null || (output.reasoning === "" && (output.answer ?? "") === "")) return [];
    return [{ agent, round: Number(round), reasoning: output.reasoning, answer: output.answer ?? null }];
  });
  const place = ({ agent }: ImportedNode): number => {
    const at = RELEASED_ORDER.findIndex((name) => agent.startsWith(name));
    return at < 0 ? RELEASED_ORDER.length : at;
  };
  return {
    questionId: record.id ?? null,
    benchmark: null,
    task: null,
    variant: null,
    question: record.question,
    choices: labelledChoices(record.choices ?? record.options, record.gold_answer, `${where}: gold_answer`),
    passage: null,
    gold: record.gold_answer,
    use: null,
    nodes: nodes.sort((a, b) => place(a) - place(b)),
    edgeRule: null,
  };
}
