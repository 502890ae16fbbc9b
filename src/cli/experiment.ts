// magdi experiment: a table of recipes and tasks, from data to a report.

import { mkdirSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { lockFolder } from "../base/files/run-lock.ts";
import { writing } from "../base/files/write-errors.ts";
import { shellWord } from "../base/markdown.ts";
import { packageVersion } from "../base/package-files.ts";
import { bareFlag, listOf, oneOf, text, wholeNumber } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { DEVICE_SETTINGS } from "../engine/engine-settings.ts";
import { datasetTitle } from "../eval/datasets.ts";
import { engineSettings } from "../eval/engine-asker.ts";
import { percent, table } from "../eval/markdown.ts";
import { assertUnchanged, hasOrigin } from "../experiment/origins.ts";
import { learnedQuestions } from "../experiment/overlap.ts";
import {
  type ExperimentPlan,
  isAnswered,
  isMade,
  nameOf,
  planExperiment,
  planOf,
  type StudentPlan,
  samplesOf,
} from "../experiment/plan.ts";
import type { ExperimentReport } from "../experiment/results.ts";
import { type ExperimentWatcher, runExperiment, sizesOf } from "../experiment/run-experiment.ts";
import { readTable } from "../experiment/table-file.ts";
import { PAGE_FILE, writeExperimentReport } from "../experiment/write-report.ts";
import { hubSettings } from "../student/hub.ts";
import type { RunSize } from "../train/run/run-size.ts";
import { loadBaselines } from "../voting/baselines.ts";
import { type Command, parseFlags, usageError } from "./command.ts";
import { durationText } from "./duration.ts";
import { type Progress, terminalProgress } from "./progress.ts";
import { StopSignals } from "./signals.ts";
import { dataTexts, stepText, validationText } from "./train-messages.ts";

const FLAGS = z.object({
  out: text("a folder", "DIR")
    .exactOptional()
    .describe("students, answers and report (default: runs/ and the name of TABLE.json)"),
  only: listOf("a row's name")
    .exactOptional()
    .describe("run these rows of the table alone; the report has what there is of all"),
  dryRun: bareFlag().describe("say what would be run, with steps and tokens, and run nothing"),
  deleteStudents: bareFlag().describe(
    "delete each student when it has answered; its adapter and checkpoint stay",
  ),
  device: oneOf(DEVICE_SETTINGS)
    .exactOptional()
    .describe(`${DEVICE_SETTINGS.join(", ")}; for training and answers, over the table's`),
  threads: wholeNumber(1, 1024).exactOptional().describe("for training and answers, over the table's"),
});

const HELP = `Usage: magdi experiment TABLE.json [--out DIR] [--only ROW,ROW] [--dry-run]

Trains the students of a table's rows, each with its recipe, data and seeds as magdi train does, asks each the questions of
its tasks as magdi eval does, and writes DIR/${PAGE_FILE}: accuracy with intervals over the seeds, tokens per answer, paired
comparisons, and a paper's own numbers beside them. The same command goes on where it was interrupted, and runs what a
table has got since; rows that are there and have changed are refused by name. experiments/ has tables of the MAGDi
paper; docs/training.md explains the file.

${helpLines(FLAGS)}
`;

type Flags = z.output<typeof FLAGS>;

/** Resolves to 0, to 1 when a row could not be trained, or to 130 or 143 after a signal. @throws MagdiError */
async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("experiment", argv, FLAGS, { words: true });
  const [file, ...more] = words;
  if (file === undefined || more.length > 0) throw usageError("experiment", "one TABLE.json");
  const out = path.resolve(values.out ?? path.join("runs", path.basename(file).replace(/\.json$/, "")));
  const progress = terminalProgress(process.stderr);
  const stop = new StopSignals(() => {
    progress.end();
    say("stopping after the current batch; a second signal exits at once");
  });
  try {
    const { device, threads } = values;
    const machine = {
      ...(device === undefined ? {} : { device }),
      ...(threads === undefined ? {} : { threads }),
    };
    const read = readTable(file);
    const whole = await planExperiment(read, out, machine);
    const plan = planOf(whole, chosenRows(whole, values.only));
    const engine = engineSettings.parse({ ...read.engine, ...machine }); // readTable has checked them
    await assertUnchanged(plan, engine);
    const hub = hubSettings(process.env);
    const onStage: Progress["report"] = (stage, done, total) => {
      if (stop.signal.aborted) throw new MagdiError("MAGDI_CANCELLED", "stopped before anything was run");
      progress.report(stage, done, total);
    };
    const sizes = await sizesOf(plan, { hub, onStage });
    progress.end();
    for (const line of await learnedQuestions(plan)) say(line);
    if (values.dryRun) {
      process.stdout.write(`${planText(plan, sizes)}\n`);
      return 0;
    }
    writing(out, () => mkdirSync(out, { recursive: true }));
    const unlock = lockFolder(out, "wait until it has ended, or name another --out");
    try {
      return await runPlan({ whole, plan, sizes, engine, values, progress, stop, hub, argv });
    } finally {
      unlock();
    }
  } catch (error) {
    if (!(error instanceof MagdiError) || error.code !== "MAGDI_CANCELLED") throw error;
    progress.end();
    say(error.message);
    return stop.exitCode;
  } finally {
    progress.end();
    stop.close();
  }
}

/** @throws MAGDI_BAD_CONFIG for a name that no row has */
function chosenRows({ table: { rows } }: ExperimentPlan, only: readonly string[] | undefined): string[] {
  const names = rows.map(({ name }) => name);
  const unknown = only?.filter((name) => !names.includes(name)) ?? [];
  if (unknown.length === 0) return only === undefined ? names : [...only];
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--only: expected rows of the table (${names.join(", ")}), found ${unknown.join(", ")}`,
  );
}

interface Running {
  /** All rows, for the report. */
  readonly whole: ExperimentPlan;
  readonly plan: ExperimentPlan;
  readonly sizes: ReadonlyMap<StudentPlan, RunSize>;
  readonly engine: z.output<typeof engineSettings>;
  readonly values: Flags;
  readonly progress: Progress;
  readonly stop: StopSignals;
  readonly hub: ReturnType<typeof hubSettings>;
  readonly argv: readonly string[];
}

async function runPlan(running: Running): Promise<number> {
  const { whole, plan, progress, stop, argv } = running;
  const version = packageVersion();
  const failures: string[] = [];
  const isDone = await runExperiment({
    ...running,
    signal: stop.signal,
    baselines: loadBaselines(null),
    version,
    deletesStudents: running.values.deleteStudents === true,
    watcher: watcherOf(running, async (student, failure) => {
      if (failure !== null) {
        failures.push(nameOf(student));
        say(`${nameOf(student)}: ${failure.message}; going on with the other rows`);
      }
      await writeExperimentReport(whole, version);
    }),
  });
  progress.end();
  const report = await writeExperimentReport(whole, version);
  process.stdout.write(`${resultLines(report)}\n${path.join(plan.out, PAGE_FILE)}\n`);
  if (!isDone) {
    const left = plan.answers.filter((one) => !isAnswered(one)).length;
    const again = argv.map(shellWord).join(" ");
    say(
      `stopped with ${left} of ${plan.answers.length} evaluations left; go on with: npx magdi experiment ${again}`,
    );
    return stop.exitCode;
  }
  if (failures.length === 0) return 0;
  say(`not trained: ${failures.join("; ")}`);
  return 1;
}

function watcherOf(
  { progress, plan }: Running,
  onStudent: ExperimentWatcher["onStudent"],
): ExperimentWatcher {
  const note = (line: string): void => {
    progress.end();
    say(line);
  };
  const whole = (left: number | null): string =>
    left === null ? "" : `; ${durationText(left)} left of the table`;
  return {
    onStage: (stage, done, total) => progress.report(stage, done, total),
    onTraining(student, { steps }) {
      const place = plan.students.indexOf(student) + 1;
      note(`${nameOf(student)} (student ${place} of ${plan.students.length}): ${steps} steps`);
      return {
        onNote: note,
        onData(data, step) {
          for (const line of dataTexts(data, step, student.settings)) note(`  ${line}`);
        },
        onValidation: (line, isBest) => note(`  ${validationText(line, isBest, student.settings.losses)}`),
      };
    },
    onStep(student, state, left) {
      const { step, totalSteps } = state;
      progress.report(`${nameOf(student)}, steps`, step, totalSteps, `${stepText(state)}${whole(left)}`);
    },
    onQuestion({ row, task, student }, { done, total, accuracy, secondsLeft }, left) {
      const told = `${percent(accuracy)} % right, ${durationText(secondsLeft)} left${whole(left)}`;
      progress.report(`${row}, ${task}, seed ${student.seed}, questions`, done, total, told);
    },
    onAnswers({ row, task, student }, { results }) {
      for (const { correct, questions, accuracy, accuracy_ci95, tokens_per_answer } of results) {
        const interval = accuracy_ci95.map(percent).join("–");
        note(
          `${row}, ${task}, seed ${student.seed}: ${correct} of ${questions} right, ${percent(accuracy)} % (${interval}), ${tokens_per_answer?.toFixed(1) ?? "unknown"} tokens/answer`,
        );
      }
    },
    async onStudent(student, failure) {
      progress.end();
      await onStudent(student, failure);
    },
  };
}

/** What there is to do, for --dry-run. */
function planText(plan: ExperimentPlan, sizes: ReadonlyMap<StudentPlan, RunSize>): string {
  const students = plan.students.map((student) => {
    const size = sizes.get(student);
    const state = size === undefined ? "there" : hasOrigin(student) ? "to go on with" : "to make";
    const counts = size === undefined ? ["", "", ""] : [size.mags, size.steps, size.tokens].map(String);
    return [student.row, student.part, String(student.seed), isMade(student) ? "there" : state, ...counts];
  });
  const answers = plan.answers.map((one) => {
    const questions = one.files.reduce((sum, file) => sum + file.questions.length, 0);
    const { samples, max_tokens: most } = one.settings;
    return [
      one.row,
      one.student.part,
      String(one.student.seed),
      one.task,
      isAnswered(one) ? "there" : "to ask",
      String(questions),
      String(samples),
      most === null ? "300, or 700 in LaTeX" : String(most),
    ];
  });
  const open = plan.answers.filter((one) => !isAnswered(one));
  const sum = (of: "steps" | "tokens"): number =>
    [...sizes.values()].reduce((total, one) => total + one[of], 0);
  return [
    table(["row", "taught", "seed", "student", "MAGs", "steps", "tokens"], students),
    table(
      ["row", "taught", "seed", "task", "answers", "questions", "samples", "at most tokens each"],
      answers,
    ),
    `${sizes.size} of ${plan.students.length} students to make: at most ${sum("steps")} steps, ${sum("tokens")} tokens. ${open.length} of ${plan.answers.length} evaluations to do: ${open.reduce((total, one) => total + samplesOf(one), 0)} samples. Nothing was run.`,
  ].join("\n\n");
}

function resultLines({ rows }: ExperimentReport): string {
  const lines = rows.map(({ row, cells, mean, missing, of }) => {
    const told = cells.flatMap((cell) =>
      cell === null ? [] : [`${datasetTitle(cell.task)} ${percent(cell.accuracy)} %`],
    );
    const all = mean === null || cells.length < 2 ? "" : `, mean ${percent(mean.accuracy)} %`;
    const lacking = missing === 0 ? "" : `${told.length === 0 ? "" : ", "}${missing} of ${of} to do`;
    return `${row}: ${told.join(", ")}${all}${lacking}`;
  });
  return lines.join("\n");
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export const experimentCommand: Command = {
  name: "experiment",
  summary: "run a table of recipes and tasks, from data to a report",
  help: HELP,
  run,
};
