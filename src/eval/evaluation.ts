// Runs an evaluation, from question files to a report with its page and figures.

import path from "node:path";
import { type Clock, systemClock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import { writeWholeFile } from "../base/files/whole-file.ts";
import type { Baselines } from "../voting/baselines.ts";
import { type AnswerRecord, questionKey, rereadRecord } from "./answer-record.ts";
import type { Asker } from "./asker.ts";
import { drawFigure, figuresOf } from "./figures.ts";
import { Journal } from "./journal.ts";
import { markdownPage, type NamedRun } from "./markdown.ts";
import { limitQuestions, type QuestionFile, readQuestions } from "./question-file.ts";
import type { Question } from "./question-formats.ts";
import { answersText, type Report, reportText, runFiles, sha256, type Timing } from "./report.ts";
import { type RunProgress, runQuestions } from "./runner.ts";
import type { EvalSettings } from "./settings.ts";
import { summarise } from "./summary.ts";

export interface EvaluationOptions {
  /** The report's file; the others lie beside it, see runFiles and prepareRunFiles. */
  readonly out: string;
  readonly settings: EvalSettings;
  readonly files: readonly QuestionFile[];
  readonly asker: Asker;
  /** --model and --model-name as given, for a rerun. */
  readonly source: string | null;
  readonly askedName: string | null;
  readonly baselines: Baselines;
  readonly version: string;
  /** Discard what an interrupted run left. */
  readonly fresh: boolean;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  onProgress?(progress: RunProgress): void;
}

/**
 * `unmarked` is the use of records that name none.
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, and MAGDI_BAD_CONFIG where nothing is left to ask
 */
export async function readQuestionFiles(
  paths: readonly string[],
  settings: Pick<EvalSettings, "dataset" | "use" | "limit" | "on_bad_line">,
  unmarked = "eval",
): Promise<QuestionFile[]> {
  const { dataset, use, limit, on_bad_line: onBadRecord } = settings;
  const all: QuestionFile[] = [];
  for (const file of paths) all.push(await readQuestions(file, { dataset, use, unmarked, onBadRecord }));
  const files = limitQuestions(all, limit);
  const keys = new Map<string, string>();
  for (const { path: file, questions } of files) {
    for (const question of questions) {
      const key = questionKey(question);
      const before = keys.get(key);
      if (before !== undefined) {
        const message = `${file}: question ${question.id} of ${question.dataset} is in ${before} too; name each file once, or give data sets different file names`;
        throw new MagdiError("MAGDI_BAD_FILE", message);
      }
      keys.set(key, file);
    }
  }
  if (keys.size > 0) return files;
  const others = files.reduce((sum, { otherUse }) => sum + otherUse, 0);
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `expected questions with use "${use}", found none, and ${others} for another use, which --use names`,
  );
}

/**
 * Asks the questions that are not answered yet, and writes the report and its other files.
 * @throws MagdiError MAGDI_CANCELLED after an abort: calling it again continues
 */
export async function evaluate(options: EvaluationOptions): Promise<{ report: Report; timing: Timing }> {
  const { out, settings, files, asker, version, source, askedName } = options;
  const paths = runFiles(out);
  const head = {
    format: "magdi-eval-1" as const,
    magdi: version,
    model: { ...asker.model, left_out: [...asker.model.left_out], source, asked_name: askedName },
    settings,
    data: files.map(({ path: file, sha256: hash, questions, otherUse, skipped }) => ({
      file,
      sha256: hash,
      questions: questions.length,
      other_use: otherUse,
      skipped: [...skipped],
    })),
  };
  const journal = Journal.open(paths.journal, head, { fresh: options.fresh });
  const questions = files.flatMap((file) => file.questions);
  const answered = await runQuestions({
    ...options,
    questions,
    journal,
    clock: options.clock ?? systemClock,
  }).finally(() => journal.close());
  const records = answered.map((record, index) => rereadRecord(questions[index]!, settings, record));
  const answers = answersText(records);
  const report: Report = {
    ...head,
    model: { ...head.model, files: head.model.files === null ? null : { ...head.model.files } },
    answers_sha256: sha256(answers),
    results: summaries(questions, records, settings, options.baselines),
  };
  const timing = timingOf(journal);
  writeWholeFile(paths.answers, answers);
  writeWholeFile(paths.timing, reportText(timing));
  // From the written text, so that this page and later ones show the same numbers.
  const written = reportText(report);
  await writePage(paths.markdown, [
    { label: labelOf(report), report: JSON.parse(written) as Report, timing: null },
  ]);
  writeWholeFile(paths.report, written);
  journal.remove();
  return { report, timing };
}

/** A run's default label. */
export function labelOf({ model, settings }: Pick<Report, "model" | "settings">): string {
  return `${model.name}, n = ${settings.samples}`;
}

/** Writes the page, and its figures next to it. */
export async function writePage(file: string, runs: readonly NamedRun[]): Promise<void> {
  const figures = figuresOf(runs);
  const stem = file.replace(/\.md$/, "");
  const names: { title: string; file: string }[] = [];
  for (const figure of figures) {
    const name = `${stem}.${figure.name}.svg`;
    writeWholeFile(name, await drawFigure(figure));
    names.push({ title: figure.title, file: path.basename(name) });
  }
  writeWholeFile(file, markdownPage(runs, names));
}

function summaries(
  questions: readonly Question[],
  records: readonly AnswerRecord[],
  settings: EvalSettings,
  baselines: Baselines,
): Report["results"] {
  return [...new Set(questions.map(({ dataset }) => dataset))].map((name) => {
    const isOfIt = ({ dataset }: { readonly dataset: string }) => dataset === name;
    return summarise(questions.filter(isOfIt), records.filter(isOfIt), settings, baselines);
  });
}

/** An answer takes the time since the one before it: questions overlap, and the engine is never idle in between. */
function timingOf(journal: Journal): Timing {
  const spent = new Map<string, { seconds: number; tokens: number }>();
  const last = new Map<number, number>();
  for (const { at, session, record } of journal.lines) {
    const sum = spent.get(record.dataset) ?? { seconds: 0, tokens: 0 };
    sum.seconds += at - (last.get(session) ?? 0);
    sum.tokens += record.samples.reduce((total, { tokens }) => total + (tokens ?? Number.NaN), 0);
    last.set(session, at);
    spent.set(record.dataset, sum);
  }
  const rate = (tokens: number, seconds: number) =>
    Number.isNaN(tokens) ? null : seconds === 0 ? 0 : tokens / seconds;
  const all = [...spent.values()];
  const seconds = all.reduce((sum, one) => sum + one.seconds, 0);
  const tokens = all.reduce((sum, one) => sum + one.tokens, 0);
  return {
    seconds,
    tokens_per_second: rate(tokens, seconds),
    results: [...spent].map(([dataset, one]) => ({
      dataset,
      seconds: one.seconds,
      tokens_per_second: rate(one.tokens, one.seconds),
    })),
  };
}
