// magdi train: settings from flags and a file, progress on stderr, signals and exit codes.

import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { bareFlag, text } from "../base/settings/kinds.ts";
import { fromFile, fromFlags, type SettingsSource } from "../base/settings/read-settings.ts";
import { HELP_COLUMN, helpLines } from "../base/settings/setting.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
import { hubSettings } from "../student/hub.ts";
import { RECIPES } from "../train/recipes.ts";
import { STUDENT_FOLDER } from "../train/run/run-files.ts";
import { SETTING_GROUPS, trainingSettings } from "../train/run/setting-groups.ts";
import { createRun, runSettings, runTraining, stopIfAborted } from "../train/run/training-run.ts";
import { checkedSettings, resolveSettings, type TrainingSettings } from "../train/run/training-settings.ts";
import { parseFlags, usageError, withSubcommands } from "./command.ts";
import { type Progress, terminalProgress } from "./progress.ts";
import { StopSignals } from "./signals.ts";
import { measurement, printStudent } from "./student-output.ts";
import { dataTexts, interruptedText, stepText, validationText } from "./train-messages.ts";

const OF_A_RUN = {
  settings: text("a file", "FILE")
    .exactOptional()
    .describe('settings as a JSON object, such as {"learningRate": 0.0003}; over the recipe, under flags'),
  resume: text("a run's folder", "RUN")
    .exactOptional()
    .describe(`resume a run that was interrupted or killed, with its own settings; --device and
--threads may be changed, and --epochs, --max-steps or --patience given for a longer run,
also to one that has ended`),
  noExport: bareFlag().describe("write the adapter only, no student folder"),
  noMeasure: bareFlag().describe("do not compare the student's formats with float32"),
};
const FLAGS = trainingSettings.extend(OF_A_RUN);
/** Flags that give a resumed run more to do. */
const LENGTHS = ["epochs", "max-steps", "patience"];
/** Flags that an adapter which is trained on answers itself. */
const ADAPTERS = ["lora-rank", "lora-alpha", "lora-targets"];

const HELP = `Usage: magdi train --recipe NAME --data FILE... --base SOURCE --out RUN [settings]
       magdi train --init-adapter DIR --data FILE... --out RUN [settings]
       magdi train --resume RUN [--epochs N] [--max-steps N]

Trains adapters and heads on interaction graphs (MAGs), and writes the merged student to RUN/${STUDENT_FOLDER}. The first
interrupt stops the run after the current batch, with a checkpoint; a second exits at once.

Recipes:
${RECIPES.map(({ name, summary }) => `  ${name.padEnd(HELP_COLUMN)} ${summary}`).join("\n")}

${helpLines(z.object(OF_A_RUN))}
${Object.entries(SETTING_GROUPS)
  .map(([heading, settings]) => `\nSettings: ${heading}\n${helpLines(z.object(settings), "VALUE")}\n`)
  .join("")}
Commands:
  import-mags                convert agents' outputs to MAGs
  stats                      statistics of files of MAGs
  report                     draw the curves of training runs
  verify                     check training against a folder of reference results
magdi train COMMAND --help explains each.
`;

/** Resolves to 0, or to 130 or 143 after a signal. @throws MagdiError */
async function run(argv: readonly string[]): Promise<number> {
  const { values, typed } = parseFlags("train", argv, FLAGS);
  const { resume, noExport = false, noMeasure = false } = values;
  const settings =
    resume === undefined ? freshSettings(typed, values.settings) : resumedSettings(resume, typed);
  if (noExport) settings.export = false;
  const folder = resume ?? settings.out;
  if (folder === null) throw usageError("train", "--out RUN");
  const progress = terminalProgress(process.stderr);
  let stopping = "stopping after the current batch, with a checkpoint; a second signal exits at once";
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
        stopping = "stopping before the student is written; a second signal exits at once";
      },
      lengthened: resume !== undefined && LENGTHS.some((flag) => typed[flag] !== undefined),
      onNote(note) {
        progress.end();
        say(note);
      },
      onData(data, step) {
        progress.end();
        for (const line of dataTexts(data, step, settings)) say(line);
      },
      onProgress: (state) =>
        progress.report("training, steps", state.step, state.totalSteps, stepText(state)),
      onValidation(line, isBest) {
        progress.end();
        say(validationText(line, isBest, settings.losses));
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
      const early = outcome.reason === "early-stop" ? ", early: validation no longer improved" : "";
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

/** Progress that throws in the reporting work once the signal is aborted. */
const stoppable = (progress: Progress, signal: AbortSignal): Progress => ({
  ...progress,
  report(...state) {
    stopIfAborted(signal);
    progress.report(...state);
  },
});

function freshSettings(typed: Readonly<Record<string, unknown>>, file: string | undefined): TrainingSettings {
  const sources = file === undefined ? [] : [settingsFile(file)];
  const settings = resolveSettings([...sources, fromFlags(trainingSettings, typed)]);
  if (settings.base === null && settings.initAdapter === null) throw usageError("train", "--base SOURCE");
  const own = ADAPTERS.find((flag) => typed[flag] !== undefined);
  if (settings.initAdapter !== null && own !== undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--${own}: an adapter that is trained on with --init-adapter keeps its modules, ranks and alphas; leave the flag out`,
    );
  }
  if (settings.out === null) throw usageError("train", "--out RUN");
  if (settings.data.length === 0 && settings.losses.length > 0) throw usageError("train", "--data FILE...");
  // So that a run can be resumed from another folder.
  const here = (file: string): string => (existsSync(file) ? path.resolve(file) : file);
  return {
    ...settings,
    base: settings.base === null ? null : here(settings.base),
    initAdapter: settings.initAdapter === null ? null : here(settings.initAdapter),
    data: settings.data.map(here),
    validation: settings.validation.map(here),
    out: path.resolve(settings.out),
  };
}

function resumedSettings(folder: string, typed: Readonly<Record<string, unknown>>): TrainingSettings {
  const allowed = ["resume", "no-export", "no-measure", "device", "threads", ...LENGTHS];
  const other = Object.keys(typed).find((flag) => !allowed.includes(flag));
  if (other !== undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--${other}: a run is resumed with its own settings; leave the flag out, or train into a new folder`,
    );
  }
  const machine = fromFlags(trainingSettings, typed).values;
  return checkedSettings({ ...runSettings(folder), ...machine }, (key) => `--${key}`);
}

/** The settings.json of a run is accepted too. */
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
    summary: "train a student on interaction graphs, and related commands",
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
