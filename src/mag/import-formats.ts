// The record formats that MAGs are imported from, each read as the same ImportedRecord.

import { z } from "zod";
import { type Choice, TASKS, type Task } from "../answers/task.ts";
import { checked, shown } from "../base/files/json-file.ts";
import type { EdgeRule } from "./edges.ts";
import { answerScalar, choiceList, labelledChoices } from "./imported-choices.ts";
import { type JoinedQuestion, joinedGold } from "./joined-questions.ts";
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
  magdi:
    "the authors' MAGs: {question, gold_answer, AGENT_output_ROUND: {reasoning, answer} or null}; ReConcile's, which have no question, with --questions",
} as const;

export type ImportFormat = keyof typeof IMPORT_FORMATS;

/** Of an output that is a list of texts. */
const MOST_LINES = 2 ** 16;

const text = z
  .union([z.string(), listUpTo(MOST_LINES, z.string()), z.null()], {
    error: ({ input }) => `expected a text or a list of texts, found ${shown(input)}`,
  })
  .optional()
  .transform((said) => (Array.isArray(said) ? said.join(" ") : (said ?? "")));

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
    // These are ours: magdi debate --authors-format writes them.
    benchmark: z.string().min(1).optional(),
    task: z.enum(TASKS).optional(),
    passage: z.string().nullish(),
    use: z.enum(USES).optional(),
  })
  .catchall(z.unknown());
const joinedReleased = released.partial({ question: true, gold_answer: true });
const releasedOutput = z.object({ reasoning: text, answer: answerScalar.nullish() }).nullable();

/**
 * `joined` is the question of a record in the authors' format that has none itself.
 * @throws MAGDI_BAD_FILE with `where` and every wrong field
 */
export function importedRecord(
  value: unknown,
  format: ImportFormat,
  where: string,
  joined: JoinedQuestion | null = null,
): ImportedRecord {
  if (format === "magdi") {
    return joined === null
      ? fromReleased(checked(released, value, where), where)
      : fromJoined(checked(joinedReleased, value, where), joined, where);
  }
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

function fromReleased(record: z.output<typeof released>, where: string): ImportedRecord {
  const { question, gold_answer: gold } = record;
  return {
    questionId: record.id ?? null,
    benchmark: record.benchmark ?? null,
    task: record.task ?? null,
    variant: null,
    ...{ question, gold },
    choices: labelledChoices(record.choices ?? record.options, gold, `${where}: gold_answer`),
    passage: record.passage ?? null,
    use: record.use ?? null,
    nodes: releasedNodes(record, where),
    edgeRule: null,
  };
}

function fromJoined(
  record: z.output<typeof joinedReleased>,
  joined: JoinedQuestion,
  where: string,
): ImportedRecord {
  const { id: questionId, dataset: benchmark, task, question, passage, use } = joined;
  return {
    ...{ questionId, benchmark, task, question, passage, use },
    ...joinedGold({ question: record.question, gold: record.gold_answer }, joined, where),
    variant: null,
    nodes: releasedNodes(record, where),
    edgeRule: null,
  };
}

function releasedNodes(record: Readonly<Record<string, unknown>>, where: string): ImportedNode[] {
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
  return nodes.sort((a, b) => place(a) - place(b));
}
