// The results of an experiment, counted from the answers that are there: accuracy and tokens of each row on each task, over its
// seeds, with an interval and a comparison with another row.

import type { AnswerRecord } from "../eval/answer-record.ts";
import { type AnswerPair, type PairedComparison, pairedAnswers, pairedBootstrap } from "../eval/compare.ts";
import { mean } from "../eval/measures/distribution.ts";
import { wilsonInterval } from "../eval/measures/wilson.ts";
import { readAnswers, readReport } from "../eval/report.ts";
import { type AnswersPlan, type ExperimentPlan, isAnswered } from "./plan.ts";
import type { TableRow } from "./table.ts";

/** Of the resamples, as of magdi eval compare. */
const COMPARISON_SEED = 0;

export interface SeedResult {
  readonly seed: number;
  readonly correct: number;
  readonly accuracy: number;
  readonly tokens_per_answer: number;
  /** The evaluation's own report, relative to the experiment's. */
  readonly report: string;
}

export interface Comparison extends PairedComparison {
  /** The other row. */
  readonly against: string;
}

export interface Cell {
  readonly task: string;
  readonly questions: number;
  readonly seeds: readonly SeedResult[];
  /** Mean over the seeds. */
  readonly accuracy: number;
  /** Of the questions: as if each were answered once, however many seeds there are. */
  readonly accuracy_ci95: readonly [number, number];
  /** Sample standard deviation of the seeds' accuracies; null for one seed. */
  readonly accuracy_sd: number | null;
  readonly tokens_per_answer: number;
  readonly comparison: Comparison | null;
  /** What the table says that the paper reports, as a share and in tokens. */
  readonly paper: { readonly accuracy: number | null; readonly tokens_per_answer: number | null } | null;
}

export interface RowResult {
  readonly row: string;
  readonly recipe: string | null;
  /** The row whose students answered. */
  readonly students_of: string;
  readonly x: number | null;
  readonly series: string | null;
  /** One for each task, in the table's order; null where the row is not asked it, or has not answered yet. */
  readonly cells: readonly (Cell | null)[];
  /** Means over the tasks; null unless all of the table's are answered. */
  readonly mean: {
    readonly accuracy: number;
    readonly tokens_per_answer: number;
    readonly paper_accuracy: number | null;
  } | null;
  /** Over the questions of all tasks that both answered. */
  readonly comparison: Comparison | null;
  /** Answers that are still missing, of how many. */
  readonly missing: number;
  readonly of: number;
}

export interface ExperimentReport {
  readonly format: "magdi-experiment-1";
  readonly magdi: string;
  readonly title: string;
  readonly notes: readonly string[];
  readonly base: string;
  readonly figure: { readonly x: string } | null;
  readonly tasks: readonly string[];
  readonly rows: readonly RowResult[];
}

/** The answers of each seed to one task. */
type Runs = readonly (readonly AnswerRecord[])[];

/** @throws MAGDI_BAD_FILE for answers that are not those of their report */
export function experimentReport(plan: ExperimentPlan, version: string): ExperimentReport {
  const { table } = plan;
  const tasks = Object.keys(table.tasks).filter((task) => plan.answers.some((one) => one.task === task));
  const answered = new Map<string, Answered[]>();
  for (const one of plan.answers.filter(isAnswered)) {
    const key = keyOf(one.row, one.task);
    answered.set(key, [...(answered.get(key) ?? []), readAnswered(one, plan.out)]);
  }
  const of = (row: string, task: string): readonly Answered[] => answered.get(keyOf(row, task)) ?? [];
  return {
    format: "magdi-experiment-1",
    magdi: version,
    title: table.title,
    notes: table.notes,
    base: table.base,
    figure: table.figure,
    tasks,
    rows: table.rows.map((row) => rowResult(row, tasks, of, plan)),
  };
}

const keyOf = (row: string, task: string): string => JSON.stringify([row, task]);

interface Answered {
  readonly result: SeedResult;
  readonly records: readonly AnswerRecord[];
}

function readAnswered({ report: file, student }: AnswersPlan, out: string): Answered {
  const report = readReport(file);
  const records = readAnswers(file, report);
  const correct = records.filter((record) => record.correct).length;
  const tokens = records.map(({ samples }) => samples.reduce((sum, one) => sum + (one.tokens ?? 0), 0));
  return {
    records,
    result: {
      seed: student.seed,
      correct,
      accuracy: correct / records.length,
      tokens_per_answer: mean(tokens),
      report: file.slice(out.length + 1).replaceAll("\\", "/"),
    },
  };
}

function rowResult(
  row: TableRow,
  tasks: readonly string[],
  of: (row: string, task: string) => readonly Answered[],
  plan: ExperimentPlan,
): RowResult {
  const { against } = row;
  const pairsOf = (task: string): AnswerPair[] => {
    const runs = (name: string): Runs => of(name, task).map(({ records }) => records);
    return against === null ? [] : pairedAnswers(runs(against), runs(row.name));
  };
  const pairs = tasks.map(pairsOf);
  const compared = (of: readonly AnswerPair[]): Comparison | null =>
    against === null || of.length === 0 ? null : { against, ...pairedBootstrap(of, COMPARISON_SEED) };
  const cells = tasks.map((task, index) => {
    const paper = {
      accuracy: shareOf(row.paper?.accuracy[task]),
      tokens_per_answer: row.paper?.tokens[task] ?? null,
    };
    return cellOf(task, of(row.name, task), {
      comparison: compared(pairs[index] ?? []),
      paper: paper.accuracy === null && paper.tokens_per_answer === null ? null : paper,
    });
  });
  const there = cells.filter((cell) => cell !== null);
  const reported = tasks.flatMap((task) => row.paper?.accuracy[task] ?? []);
  const planned = plan.answers.filter((one) => one.row === row.name);
  return {
    row: row.name,
    recipe: row.recipe ?? null,
    students_of: row.makes,
    x: row.x ?? null,
    series: row.series ?? null,
    cells,
    mean:
      there.length < tasks.length
        ? null
        : {
            accuracy: mean(there.map(({ accuracy }) => accuracy)),
            tokens_per_answer: mean(there.map(({ tokens_per_answer }) => tokens_per_answer)),
            paper_accuracy: reported.length < tasks.length ? null : mean(reported) / 100,
          },
    comparison: compared(pairs.flat()),
    missing: planned.filter((one) => !isAnswered(one)).length,
    of: planned.length,
  };
}

const shareOf = (percent: number | undefined): number | null =>
  percent === undefined ? null : percent / 100;

function cellOf(
  task: string,
  answered: readonly Answered[],
  others: Pick<Cell, "comparison" | "paper">,
): Cell | null {
  const questions = answered[0]?.records.length;
  if (questions === undefined) return null;
  const seeds = answered.map(({ result }) => result);
  const accuracies = seeds.map((one) => one.accuracy);
  const accuracy = mean(accuracies);
  return {
    task,
    questions,
    seeds,
    accuracy,
    accuracy_ci95: wilsonInterval(accuracy * questions, questions),
    accuracy_sd: deviation(accuracies),
    tokens_per_answer: mean(seeds.map(({ tokens_per_answer }) => tokens_per_answer)),
    ...others,
  };
}

function deviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}
