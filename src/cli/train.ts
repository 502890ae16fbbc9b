// magdi train: settings from flags and a file, the run's progress on stderr, signals, exit codes. Its subcommands are
// loaded when they are called.

import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { bareFlag, text } from "../base/settings/kinds.ts";
import { HELP_COLUMN, helpLines } from "../base/settings/setting.ts";
import { fromFile, fromFlags, type SettingsSource } from "../base/settings/sources.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
import { hubSettings } from "../student/hub.ts";
import { RECIPES } from "../train/recipes.ts";
import { SETTING_GROUPS, trainingSettings } from "../train/run/setting-groups.ts";
import {
  createRun,
  runSettings,
  runTraining,
  STUDENT_FOLDER,
  stopIfAborted,
} from "../train/run/training-run.ts";
import { checkedSettings, resolveSettings, type TrainingSettings } from "../train/run/training-settings.ts";
import { withSubcommands } from "./command.ts";
import { parseFlags, usageError } from "./flags.ts";
import { type Progress, terminalProgress } from "./progress.ts";
import { StopSignals } from "./signals.ts";
import { dataTexts, interruptedText, stepText, validationText } from "./train-texts.ts";
import { measurement, printStudent } from "./written-student.ts";

const OF_A_RUN = {
  settings: text("a file", "FILE")
    .exactOptional()
    .describe('settings as a JSON object, {"learningRate": 0.0003}; flags win over it, it over the recipe'),
  resume: text("a run's folder", "RUN")
    .exactOptional()
    .describe(`go on with a run that was interrupted or killed, with the settings it was begun with; of
them, --device and --threads may be given anew`),
  noExport: bareFlag().describe("only the adapter, no student folder"),
  noMeasure: bareFlag().describe("do not compare the student's formats with float32"),
};
const FLAGS = trainingSettings.extend(OF_A_RUN);

const HELP = `Usage: magdi train --recipe NAME --data FILE --base SOURCE --out RUN [settings]
       magdi train --resume RUN

Trains adapters and heads on interaction graphs (MAGs), and writes the merged student to RUN/${STUDENT_FOLDER}. The first
interrupt ends the run after the batch that runs, with a checkpoint; the second ends it at once.

Recipes:
${RECIPES.map(({ name, summary }) => `  ${name.padEnd(HELP_COLUMN)} ${summary}`).join("\n")}

${helpLines(z.object(OF_A_RUN))}
${Object.entries(SETTING_GROUPS)
  .map(([heading, settings]) => `\nSettings: ${heading}\n${helpLines(z.object(settings), "VALUE")}\n`)
  .join("")}
Commands:
  import-mags                make MAGs of agents' outputs
  stats                      what files of MAGs hold
  report                     draw the curves of training runs
  verify                     check training against a folder of reference results
magdi train COMMAND --help explains each.
`;

/** Trains; resolves to 0, or to 130 or 143 when a signal ended it. @throws MagdiError as its parts do */
async function run(argv: readonly string[]): Promise<number> {
  const { values, typed } = parseFlags("train", argv, FLAGS);
  const { resume, noExport = false, noMeasure = false } = values;
  const settings =
    resume === undefined ? freshSettings(typed, values.settings) : resumedSettings(resume, typed);
  if (noExport) settings.export = false;
  const folder = resume ?? settings.out;
  if (folder === null) throw usageError("train", "--out RUN");
  const progress = terminalProgress(process.stderr);
  let stopping = "stopping after the batch that runs, with a checkpoint; once more ends it at once";
  const stop = new StopSignals(() => {
    progress.end();
    say(stopping);
  });
  try {
    if (resume === undefined) createRun(folder, settings);
    const threads = settings.threads ?? usableProcessors();
    const measure = noMeasure ? {} : { measure: measurement(threads, stoppable(progress, stop.signal)) };
    const { outcome, student, interrupted } = await runTraining({
      settings,
      folder,
      signal: stop.signal,
      hub: hubSettings(process.env),
      ...measure,
      onStage: (stage, done, total) => progress.report(stage, done, total),
      onExport() {
        stopping = "stopping before the student is written; once more ends it at once";
      },
      onDevice(choice) {
        progress.end();
        say(`the training ${choice}`);
      },
      onData(data, step) {
        progress.end();
        for (const line of dataTexts(data, step, settings)) say(line);
      },
      onProgress: (state) =>
        progress.report("training, steps", state.step, state.totalSteps, stepText(state)),
      onValidation(line, isBest) {
        progress.end();
        say(validationText(line, isBest));
      },
    });
    progress.end();
    if (interrupted !== null) {
      say(interruptedText(interrupted, outcome, folder));
      return stop.exitCode;
    }
    if (outcome !== null) {
      const best =
        outcome.best === null
          ? ""
          : `; best validation loss ${outcome.best.loss.toFixed(4)} after step ${outcome.best.step}`;
      const early = outcome.reason === "early-stop" ? ", early: validation got no better" : "";
      console.log(`${folder}: done after step ${outcome.step}${early}${best}`);
      console.log(`  adapter and heads: ${path.join(folder, "best")}`);
    }
    if (student !== null) printStudent(path.join(folder, STUDENT_FOLDER), student);
    return 0;
  } finally {
    progress.end();
    stop.close();
  }
}

/** The same progress, which ends what it is told of once the signal has come. */
const stoppable = (progress: Progress, signal: AbortSignal): Progress => ({
  ...progress,
  report(...state) {
    stopIfAborted(signal);
    progress.report(...state);
  },
});

/** Of `typed` flags over a file. */
function freshSettings(typed: Readonly<Record<string, unknown>>, file: string | undefined): TrainingSettings {
  const sources = file === undefined ? [] : [settingsFile(file)];
  const settings = resolveSettings([...sources, fromFlags(trainingSettings, typed)]);
  if (settings.base === null) throw usageError("train", "--base SOURCE");
  if (settings.out === null) throw usageError("train", "--out RUN");
  if (settings.data.length === 0 && settings.losses.length > 0) throw usageError("train", "--data FILE");
  // So that a run can be resumed from another folder.
  const here = (file: string): string => (existsSync(file) ? path.resolve(file) : file);
  return {
    ...settings,
    base: here(settings.base),
    data: settings.data.map(here),
    validation: settings.validation.map(here),
    out: path.resolve(settings.out),
  };
}

/** What a run that goes on may have anew. */
const OF_THE_MACHINE = ["device", "threads"] as const;

function resumedSettings(folder: string, typed: Readonly<Record<string, unknown>>): TrainingSettings {
  const allowed = new Set(["resume", "no-export", "no-measure", ...OF_THE_MACHINE]);
  const other = Object.keys(typed).find((flag) => !allowed.has(flag));
  if (other !== undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--${other}: a run goes on with the settings it was begun with; leave it out, or train into a new folder`,
    );
  }
  const machine = fromFlags(trainingSettings, typed).values;
  return checkedSettings({ ...runSettings(folder), ...machine }, (key) => `--${key}`);
}

/** What a run wrote can be used again. */
function settingsFile(file: string): SettingsSource {
  const { nameOf, values } = fromFile(trainingSettings, file, "--settings");
  const { settings } = values;
  const isRuns = typeof settings === "object" && settings !== null;
  return { nameOf, values: isRuns ? { ...settings } : values };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export const trainCommand = withSubcommands(
  {
    name: "train",
    summary: "train a student on interaction graphs, and what belongs to it",
    help: HELP,
    run,
  },
  {
    "import-mags": async () => (await import("./train-import-mags.ts")).importMagsCommand,
    stats: async () => (await import("./train-stats.ts")).trainStatsCommand,
    report: async () => (await import("./train-report.ts")).trainReportCommand,
    verify: async () => (await import("./train-verify.ts")).trainVerifyCommand,
  },
);
