// Runs one evaluation for a command: flags, model, progress, signals, and the summary at the end.

import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { defaultStudent, packageVersion } from "../base/package-files.ts";
import { bareFlag, files, oneOf, text, wholeNumber } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { DATASETS, datasetTitle } from "../eval/datasets.ts";
import { type EngineSettings, engineSettings } from "../eval/engine-asker.ts";
import { evaluate, readQuestionFiles } from "../eval/evaluation.ts";
import { percent } from "../eval/markdown.ts";
import { openAsker } from "../eval/open-asker.ts";
import { prepareRunFiles, type Report, runFiles, type Timing } from "../eval/report.ts";
import { type EvalSettings, evalSettings, settingsSchema } from "../eval/settings.ts";
import { loadBaselines } from "../voting/baselines.ts";
import { parseFlags, usageError } from "./command.ts";
import { durationText } from "./duration.ts";
import { terminalProgress } from "./progress.ts";
import { studentFolder } from "./run-folder.ts";
import { StopSignals } from "./signals.ts";

const WHAT = z.object({
  model: text("a student folder or an address", "DIR|URL")
    .nullable()
    .default(null)
    .describe(
      "a student folder, a magdi server, or any server with OpenAI's API (default: the bundled student)",
    ),
  data: files("a file of questions")
    .exactOptional()
    .describe(`questions, in magdi's format or as the benchmark is published (see docs/evaluation.md)
${DATASETS.map(({ title }) => title).join(", ")}`),
  json: text("a file", "OUT").exactOptional().describe("the report to write"),
  ...settingsSchema.partial().shape,
  baselines: text("a JSON file", "FILE")
    .nullable()
    .default(null)
    .describe("JSON file with additional debate baselines"),
  fresh: bareFlag().describe("start over, even if an earlier run was interrupted"),
});
const SERVER = z.object({
  api: oneOf(["auto", "reason", "chat"])
    .default("auto")
    .describe("auto, reason (magdi's) or chat (OpenAI's)"),
  modelName: text("a model", "NAME")
    .nullable()
    .default(null)
    .describe("default: the first that the server lists"),
  keyVariable: text("a variable", "NAME")
    .default("MAGDI_API_KEY")
    .describe("environment variable that holds the API key"),
  concurrency: wholeNumber(1)
    .nullable()
    .default(null)
    .describe("questions at a time (default: enough to fill a batch)"),
});
const FLAGS = WHAT.extend({ ...engineSettings.shape, ...SERVER.shape });

export const EVAL_FLAGS_HELP = `${helpLines(WHAT)}

In this process:
${helpLines(engineSettings)}

On a server:
${helpLines(SERVER)}`;

type Server = Readonly<z.output<typeof SERVER>>;

export interface EvalRun extends EngineSettings, Server {
  readonly out: string;
  readonly data: readonly string[];
  /** Null for the bundled student. */
  readonly model: string | null;
  readonly settings: Partial<EvalSettings>;
  readonly baselines: string | null;
  readonly fresh: boolean;
}

/** Missing flags are taken from `base`. @throws MagdiError MAGDI_BAD_CONFIG naming the flag */
export function evalRun(argv: readonly string[], base: Partial<EvalRun> = {}): EvalRun {
  const { values, given, words } = parseFlags("eval", argv, FLAGS, { words: true });
  const named = [...(given.data ?? []), ...words];
  const run = { ...values, ...base, ...given };
  const out = given.json ?? base.out;
  const data = named.length > 0 ? named : base.data;
  if (data === undefined || out === undefined) throw usageError("eval", "--data FILE... and --json OUT");
  const asked = Object.entries(given).filter(([key]) => Object.hasOwn(settingsSchema.shape, key));
  const settings = { ...base.settings, ...Object.fromEntries(asked) };
  return { ...run, out, data, settings, fresh: run.fresh ?? false };
}

/** Resolves to the exit code: 0, or 130 or 143 after a signal. */
export async function runEvaluation(run: EvalRun): Promise<number> {
  const settings = evalSettings(run.settings);
  prepareRunFiles(run.out);
  const read = await readQuestionFiles(run.data, settings);
  for (const problem of read.flatMap(({ skipped }) => skipped)) process.stderr.write(`skipped ${problem}\n`);
  const baselines = loadBaselines(run.baselines);
  const stop = new StopSignals();
  const progress = terminalProgress(process.stderr);
  const asker = await openAsker(
    {
      ...run,
      model: run.model === null ? defaultStudent() : await studentFolder(run.model),
      apiKey: process.env[run.keyVariable] ?? null,
    },
    settings,
  );
  if (asker.deviceChoice !== undefined) process.stderr.write(`the student ${asker.deviceChoice}\n`);
  try {
    const { report, timing } = await evaluate({
      ...run,
      settings,
      files: read,
      asker,
      source: run.model,
      askedName: run.modelName,
      baselines,
      version: packageVersion(),
      signal: stop.signal,
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
    if (!stop.signal.aborted || !(error instanceof MagdiError)) throw error;
    process.stderr.write(`magdi eval: ${error.message}; run the same command again to continue\n`);
    return stop.exitCode;
  } finally {
    stop.close();
    await asker.close();
  }
}

function resultLines(report: Report, timing: Timing): string {
  const lines = report.results.map((result) => {
    const interval = result.accuracy_ci95.map(percent).join("–");
    const ratio = result.debate.ratio === null ? "" : `, debate × ${result.debate.ratio.toFixed(1)}`;
    return `${datasetTitle(result.dataset)}: ${percent(result.accuracy)} % (${interval}) of ${result.questions}, ${result.tokens_per_answer?.toFixed(1) ?? "unknown"} tokens/answer, ${percent(result.unparsed)} % unparsed, ${percent(result.run_ons ?? 0)} % run on${ratio}`;
  });
  const rate = timing.tokens_per_second === null ? "" : `, ${timing.tokens_per_second.toFixed(0)} tokens/s`;
  return [...lines, `${durationText(timing.seconds)}${rate}`].join("\n");
}
