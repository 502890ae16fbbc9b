// Measures answer extraction on recorded outputs of language models: how often the extracted answer agrees with the
// recorded one and, where they differ, which of the two is right.

import { answersEqual, extractAnswer } from "../answers/answer.ts";
import { findAnswerMarkers } from "../answers/markers.ts";
import { type Choice, type Task, taskOf } from "../answers/task.ts";
import { isObject } from "../base/files/json-file.ts";
import { readJsonRecords } from "../base/files/json-records.ts";
import { datasetTitle, knownDataset, knownTask } from "./datasets.ts";
import { table } from "./markdown.ts";

/**
 * How one output compares:
 * - program: it is a program, and the recorded answer is what the program printed, which the text does not show;
 * - unstated: it announces no answer, so the recorded one came from elsewhere or was guessed;
 * - agree: the extracted answer equals the recorded one;
 * - fragment: the recorded answer is only a part of the extracted one ("7" of \frac{x+2}{7});
 * - read right, recorded right, neither right: they differ, and which of them equals the gold answer;
 * - unread: no answer was extracted.
 */
export const EXTRACTION_KINDS = [
  "program",
  "unstated",
  "agree",
  "fragment",
  "read right",
  "recorded right",
  "neither right",
  "unread",
] as const;
export type ExtractionKind = (typeof EXTRACTION_KINDS)[number];

export interface JudgedOutput {
  readonly dataset: string;
  readonly where: string;
  readonly agent: string;
  readonly kind: ExtractionKind;
  /** Whether the extracted answer equals the recorded one, whatever the kind. */
  readonly agrees: boolean;
  readonly recorded: string;
  readonly read: string | null;
  readonly gold: string;
  readonly text: string;
}

/**
 * Judges every output with a recorded answer in a file of records `{question_id, question?, choices?, gold, agents:
 * [{agent, reasoning, answer}]}`. Broken records and outputs are skipped.
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE
 */
export async function* judgeOutputs(file: string): AsyncGenerator<JudgedOutput> {
  for await (const { value, where } of readJsonRecords(file, () => {})) {
    if (!isObject(value) || typeof value.gold !== "string" || !Array.isArray(value.agents)) continue;
    const choices = choicesOf(value.choices);
    const known = knownDataset(String(value.question_id ?? ""));
    const question = typeof value.question === "string" ? value.question : "";
    const task = knownTask(known, taskOf(question, choices, value.gold));
    for (const output of value.agents as readonly unknown[]) {
      if (!isObject(output) || typeof output.reasoning !== "string") continue;
      if (typeof output.answer !== "string" || output.answer === "") continue;
      const agent = String(output.agent ?? "");
      const dataset = known?.name ?? "other";
      const asked = { task, choices, gold: value.gold };
      yield { dataset, where, agent, gold: value.gold, ...judge(output.reasoning, output.answer, asked) };
    }
  }
}

interface Asked {
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
  readonly gold: string;
}

function judge(text: string, recorded: string, { task, choices, gold }: Asked) {
  const read = extractAnswer(task, text, { choices });
  const equal = (a: string | null, b: string) => a !== null && answersEqual(task, a, b, { choices });
  const agrees = equal(read, recorded);
  const kind = (): ExtractionKind => {
    if (isProgram(text)) return "program";
    if (!states(task, text)) return "unstated";
    if (agrees) return "agree";
    if (read === null) return "unread";
    if (read.length > recorded.length && read.includes(recorded) && task === "math") return "fragment";
    if (equal(read, gold)) return "read right";
    return equal(recorded, gold) ? "recorded right" : "neither right";
  };
  return { kind: kind(), agrees, recorded, read, text };
}

/** Whether a text is Python code that does not show its output. */
function isProgram(text: string): boolean {
  return (
    /^\s*(?:import |from |def |#|"""|[a-z_]\w* = )/.test(text) &&
    /\n[^\S\n]*(?:\w+ = |return )/.test(text) &&
    !text.includes("```output")
  );
}

/** Whether a text states an answer: an announcement or, for a yes-no question, a yes or no. */
function states(task: Task, text: string): boolean {
  if (task !== "yes-no") return findAnswerMarkers(text).length > 0;
  return /\byes\b|\bno(?=[.,;:!)"'”’*\n]|\s*$)|^\W*(?:true|false)\b|\b(?:true|false)\W*$/i.test(text);
}

export interface ExtractionCounts extends Readonly<Record<ExtractionKind, number>> {
  readonly name: string;
  readonly recorded: number;
  /** The unstated outputs whose extracted answer equals the recorded one. */
  readonly unstatedAgree: number;
}

/** Counts by data set. */
export function countOutputs(outputs: Iterable<JudgedOutput>): ExtractionCounts[] {
  const counts = new Map<string, Record<ExtractionKind, number> & { unstatedAgree: number }>();
  for (const { dataset, kind, agrees } of outputs) {
    const none = Object.fromEntries(EXTRACTION_KINDS.map((one) => [one, 0])); // has all kinds
    const count = counts.get(dataset) ?? { ...(none as Record<ExtractionKind, number>), unstatedAgree: 0 };
    count[kind] += 1;
    if (kind === "unstated" && agrees) count.unstatedAgree += 1;
    counts.set(dataset, count);
  }
  return [...counts].map(([name, count]) => {
    const recorded = EXTRACTION_KINDS.reduce((sum, kind) => sum + count[kind], 0);
    return { name, recorded, ...count };
  });
}

/**
 * Share of agreement among outputs that state an answer; `sound` leaves out recorded answers that are fragments, or
 * wrong while the extracted one is right.
 */
export function agreementOf(counts: ExtractionCounts): { stated: number; sound: number } {
  const stated = counts.recorded - counts.program - counts.unstated;
  return {
    stated: counts.agree / stated,
    sound: counts.agree / (stated - counts.fragment - counts["read right"]),
  };
}

export function extractionTable(all: readonly ExtractionCounts[]): string {
  const head = ["data set", "recorded", "program", "unstated (agree)", "stated", "agree %", "fragment"];
  const percent = (share: number) => (Number.isFinite(share) ? (100 * share).toFixed(2) : "–");
  return table(
    [...head, "read right", "recorded right", "neither", "unread", "agree % of sound records"],
    all.map((counts) => {
      const { stated, sound } = agreementOf(counts);
      return [
        datasetTitle(counts.name),
        String(counts.recorded),
        String(counts.program),
        `${counts.unstated} (${counts.unstatedAgree})`,
        String(counts.recorded - counts.program - counts.unstated),
        percent(stated),
        String(counts.fragment),
        String(counts["read right"]),
        String(counts["recorded right"]),
        String(counts["neither right"]),
        String(counts.unread),
        percent(sound),
      ];
    }),
  );
}

function choicesOf(value: unknown): Choice[] | null {
  if (!Array.isArray(value)) return null;
  return value.flatMap((item: unknown) =>
    isObject(item) ? [{ label: String(item.label ?? ""), text: String(item.text ?? "") }] : [],
  );
}
