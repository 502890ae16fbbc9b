// Goes through an experiment's plan: trains each student, or goes on with it, has it answer, and leaves alone what is there.

import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { type EngineSettings, openEngineAsker } from "../eval/engine-asker.ts";
import { evaluate } from "../eval/evaluation.ts";
import { prepareRunFiles, type Report } from "../eval/report.ts";
import type { RunProgress } from "../eval/runner.ts";
import { type Hub, locateBase, openCheckedBase } from "../student/open-base.ts";
import { SETTINGS_FILE } from "../train/run/run-files.ts";
import { type RunSize, runSize } from "../train/run/run-size.ts";
import type { TrainingProgress } from "../train/run/trainer.ts";
import { createRun, runSettings, runTraining, type TrainingRunOptions } from "../train/run/training-run.ts";
import type { Baselines } from "../voting/baselines.ts";
import { hasOrigin, writeOrigin } from "./origins.ts";
import {
  type AnswersPlan,
  type ExperimentPlan,
  isMade,
  type StudentPlan,
  samplesOf,
  studentFolderOf,
  toMake,
  unanswered,
} from "./plan.ts";
import { TimeLeft } from "./time-left.ts";

type Training = Pick<TrainingRunOptions, "onStage" | "onNote" | "onValidation" | "onData">;

/** What is told while it runs. */
export interface ExperimentWatcher {
  onStage: Training["onStage"];
  /** A student is begun or gone on with: what it takes, and the calls for its training. */
  onTraining(student: StudentPlan, size: RunSize): Omit<Training, "onStage">;
  /** `left`: seconds of the whole experiment; null while they are not known. */
  onStep(student: StudentPlan, progress: TrainingProgress, left: number | null): void;
  onQuestion(answers: AnswersPlan, progress: RunProgress, left: number | null): void;
  onAnswers(answers: AnswersPlan, report: Report): void;
  /** All questions of a student are answered, or it cannot be trained. */
  onStudent(student: StudentPlan, failure: MagdiError | null): Promise<void>;
}

export interface ExperimentOptions {
  readonly plan: ExperimentPlan;
  /** Of the students that are to be made, see sizesOf. */
  readonly sizes: ReadonlyMap<StudentPlan, RunSize>;
  readonly engine: EngineSettings;
  readonly signal: AbortSignal;
  readonly hub?: Hub;
  readonly baselines: Baselines;
  readonly version: string;
  /** Delete a student once it has answered everything; its adapter stays. */
  readonly deletesStudents: boolean;
  readonly watcher: ExperimentWatcher;
}

/**
 * What the students that are to be made will take. Their data are read as training reads them, so that what cannot be
 * trained is said before anything is.
 * @throws MagdiError naming the row
 */
export async function sizesOf(
  plan: ExperimentPlan,
  { hub, onStage }: Pick<TrainingRunOptions, "hub" | "onStage">,
): Promise<Map<StudentPlan, RunSize>> {
  const sizes = new Map<StudentPlan, RunSize>();
  const students = toMake(plan);
  const known = new Map<string, RunSize>();
  const bases = new Set(students.map(({ settings }) => String(settings.base)));
  let done = 0;
  for (const source of bases) {
    const { path: place } = await locateBase({
      source,
      ...(hub === undefined ? {} : { hub }),
      onProgress: ({ stage, done, total }) => onStage(stage, done, total),
    });
    const base = await openCheckedBase(place);
    try {
      for (const student of students.filter(({ settings }) => settings.base === source)) {
        const key = JSON.stringify([student.row, student.part]); // its seeds draw others of as many
        const size = known.get(key) ?? (await naming(student, () => runSize(student.settings, base)));
        known.set(key, size);
        sizes.set(student, size);
        onStage("reading data, students", ++done, students.length);
      }
    } finally {
      base.close();
    }
  }
  return sizes;
}

/** Puts the row into an error of its data or settings. */
async function naming<T>({ row, part }: StudentPlan, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof MagdiError)) throw cause;
    throw new MagdiError(cause.code, `row ${row}, ${part}: ${cause.message}`, { cause });
  }
}

/** Resolves to false when the signal interrupted it: what was done is kept. @throws MagdiError */
export async function runExperiment(options: ExperimentOptions): Promise<boolean> {
  const { plan, sizes, watcher, signal } = options;
  const open = plan.students.flatMap((student) => unanswered(plan, student));
  const time = new TimeLeft({
    training: [...sizes.values()].reduce((sum, { tokens }) => sum + tokens, 0),
    answers: open.reduce((sum, answers) => sum + samplesOf(answers), 0),
  });
  for (const student of plan.students) {
    const questions = unanswered(plan, student);
    if (questions.length === 0) continue;
    let failure: MagdiError | null = null;
    try {
      if (!isMade(student) && !(await make(student, options, time))) return false;
    } catch (error) {
      // One row that cannot be trained is no reason not to run the others.
      if (!(error instanceof MagdiError) || error.code !== "MAGDI_DIVERGED") throw error;
      failure = error;
    }
    if (failure === null) {
      for (const answers of questions) {
        if (signal.aborted || !(await answer(answers, options, time))) return false;
      }
      if (options.deletesStudents && unanswered(plan, student).length === 0) {
        rmSync(studentFolderOf(student), { recursive: true, force: true });
      }
    }
    await watcher.onStudent(student, failure);
    if (signal.aborted) return false;
  }
  return true;
}

/** Resolves to false when it was interrupted. */
async function make(student: StudentPlan, options: ExperimentOptions, time: TimeLeft): Promise<boolean> {
  const { signal, hub, watcher, sizes } = options;
  const { folder, settings } = student;
  const size = sizes.get(student) ?? { steps: 0, tokens: 0, mags: 0 };
  time.begin("training", size.tokens);
  const goesOn = hasOrigin(student) && existsSync(path.join(folder, SETTINGS_FILE));
  if (!goesOn) {
    createRun(folder, settings);
    await writeOrigin(student);
  }
  const { device, threads } = settings;
  const { interrupted } = await runTraining({
    // What it was begun with: its files may have moved since.
    settings: goesOn ? { ...runSettings(folder), device, threads } : settings,
    folder,
    signal,
    ...(hub === undefined ? {} : { hub }),
    onStage: watcher.onStage,
    ...watcher.onTraining(student, size),
    onProgress(progress) {
      const { step, totalSteps, secondsLeft } = progress;
      const left = time.report("training", size.tokens * (1 - step / totalSteps), secondsLeft);
      watcher.onStep(student, progress, left);
    },
  });
  return interrupted === null;
}

/** Resolves to false when it was interrupted. */
async function answer(answers: AnswersPlan, options: ExperimentOptions, time: TimeLeft): Promise<boolean> {
  const { signal, watcher, engine } = options;
  const { student, settings, report: out, files } = answers;
  prepareRunFiles(out);
  time.begin("answers", samplesOf(answers));
  const folder = studentFolderOf(student);
  const asker = await openEngineAsker({ ...engine, folder }, settings);
  try {
    const { report } = await evaluate({
      out,
      settings,
      files,
      asker,
      source: folder,
      askedName: null,
      baselines: options.baselines,
      version: options.version,
      fresh: false,
      signal,
      onProgress(progress) {
        const samples = (progress.total - progress.done) * settings.samples;
        watcher.onQuestion(answers, progress, time.report("answers", samples, progress.secondsLeft));
      },
    });
    watcher.onAnswers(answers, report);
    return true;
  } catch (error) {
    if (signal.aborted && error instanceof MagdiError) return false;
    throw error;
  } finally {
    await asker.close();
  }
}
