// One evaluation as a command runs it: opens who is asked, shows progress, takes signals, prints the table.

import { MagdiError } from "../base/errors.ts";
import { packageVersion } from "../base/package-version.ts";
import type { DeviceSetting } from "../engine/engine-settings.ts";
import { datasetTitle } from "../eval/datasets.ts";
import { evaluate, readQuestionFiles } from "../eval/evaluation.ts";
import { percent } from "../eval/markdown.ts";
import { openAsker } from "../eval/open-asker.ts";
import { type Report, runFiles, type Timing } from "../eval/report.ts";
import { type EvalSettings, evalSettings } from "../eval/settings.ts";
import type { Dtype } from "../student/dtype.ts";
import { loadBaselines } from "../voting/baselines.ts";
import { DEFAULT_STUDENT } from "./default-student.ts";
import { terminalProgress } from "./progress.ts";

export interface EvalRun {
  readonly out: string;
  readonly data: readonly string[];
  /** Null for the shipped student. */
  readonly model: string | null;
  readonly modelName: string | null;
  readonly settings: Partial<EvalSettings>;
  readonly baselines: string | null;
  readonly fresh: boolean;
  readonly device: DeviceSetting;
  readonly dtype: Dtype | null;
  readonly threads: number | null;
  readonly batchRows: number;
  readonly contextLength: number | null;
  readonly api: "auto" | "reason" | "chat";
  /** The environment variable that holds the API key. */
  readonly keyVariable: string;
  readonly concurrency: number | null;
}

/** As shells tell of a program that an interrupt ended. */
const INTERRUPTED = 130;

/** Runs it; resolves to the exit code: 0, or 130 after an interrupt. */
export async function runEvaluation(run: EvalRun): Promise<number> {
  const settings = evalSettings(run.settings);
  const files = await readQuestionFiles(run.data, settings);
  for (const problem of files.flatMap(({ skipped }) => skipped)) process.stderr.write(`skipped ${problem}\n`);
  const baselines = loadBaselines(run.baselines);
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  // Once: a second signal ends the process at once.
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  const progress = terminalProgress(process.stderr);
  const asker = await openAsker(
    {
      ...run,
      model: run.model ?? DEFAULT_STUDENT,
      apiKey: process.env[run.keyVariable] ?? null,
    },
    settings,
  );
  if (asker.deviceChoice !== undefined) process.stderr.write(`the student ${asker.deviceChoice}\n`);
  try {
    const { report, timing } = await evaluate({
      ...run,
      settings,
      files,
      asker,
      source: run.model,
      askedName: run.modelName,
      baselines,
      version: packageVersion(),
      signal: interrupt.signal,
      onProgress({ dataset, done, total, accuracy, secondsLeft }) {
        const note = `${percent(accuracy)} % right, ${durationText(secondsLeft)} left (${dataset})`;
        progress.report("questions", done, total, note);
      },
    });
    progress.end();
    process.stdout.write(`${resultLines(report, timing)}\n${run.out}, ${runFiles(run.out).markdown}\n`);
    return 0;
  } catch (error) {
    progress.end();
    if (!interrupt.signal.aborted || !(error instanceof MagdiError)) throw error;
    process.stderr.write(`magdi eval: ${error.message}; the same command goes on\n`);
    return INTERRUPTED;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    await asker.close();
  }
}

function resultLines(report: Report, timing: Timing): string {
  const lines = report.results.map((result) => {
    const interval = result.accuracy_ci95.map(percent).join("–");
    const ratio = result.debate.ratio === null ? "" : `, debate × ${result.debate.ratio.toFixed(1)}`;
    return `${datasetTitle(result.dataset)}: ${percent(result.accuracy)} % (${interval}) of ${result.questions}, ${result.tokens_per_answer?.toFixed(1) ?? "untold"} tokens/answer, ${percent(result.unparsed)} % unparsed${ratio}`;
  });
  const rate = timing.tokens_per_second === null ? "" : `, ${timing.tokens_per_second.toFixed(0)} tokens/s`;
  return [...lines, `${durationText(timing.seconds)}${rate}`].join("\n");
}

function durationText(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
