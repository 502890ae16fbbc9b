// magdi train --recipe …: settings from flags and a file, the run's progress on stderr, signals, exit codes.

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { hubSettings } from "../student/hub.ts";
import { RECIPES } from "../train/recipes/registry.ts";
import {
  createRun,
  runSettings,
  runTraining,
  STUDENT_FOLDER,
  stopIfAborted,
} from "../train/run/training-run.ts";
import {
  checkedSettings,
  resolveSettings,
  SETTINGS,
  type SettingsSource,
  settingFromText,
  type TrainingSettings,
} from "../train/run/training-settings.ts";
import { type Progress, terminalProgress } from "./progress.ts";
import { dataTexts, interruptedText, stepText, validationText } from "./train-texts.ts";
import { measurement, parseThreads, printStudent } from "./written-student.ts";

const WIDTH = 26;

/** What magdi train --help says of a run: recipes and settings. */
export const TRAIN_RUN_HELP = `Usage: magdi train --recipe NAME --data FILE --base SOURCE --out RUN [settings]
       magdi train --resume RUN

Trains adapters and heads on interaction graphs (MAGs), and writes the merged student to RUN/${STUDENT_FOLDER}. The first
interrupt ends the run after the batch that runs, with a checkpoint; the second ends it at once.

Recipes:
${RECIPES.map(({ name, summary }) => `  ${name.padEnd(WIDTH)} ${summary}`).join("\n")}

  --settings FILE            settings as a JSON object, {"learningRate": 0.0003}; flags win over it, it over the recipe
  --resume RUN               go on with a run that was interrupted or killed, with the settings it was begun with; of
                             them, --device and --threads may be given anew
  --no-export                only the adapter, no student folder
  --no-measure               do not compare the student's formats with float32
${settingsHelp()}`;

function settingsHelp(): string {
  const groups = new Map<string, string[]>();
  for (const { group, flag, description, default: value } of SETTINGS) {
    const shown = Array.isArray(value) ? value.join(",") : String(value ?? "");
    const suffix = shown === "" ? "" : ` (default ${shown})`;
    const lines = groups.get(group) ?? [];
    groups.set(group, [...lines, `  ${`--${flag} VALUE`.padEnd(WIDTH)} ${description}${suffix}`]);
  }
  return [...groups].map(([group, lines]) => `\nSettings: ${group}\n${lines.join("\n")}\n`).join("");
}

const OPTIONS = {
  ...Object.fromEntries(SETTINGS.map(({ flag }) => [flag, { type: "string" } as const])),
  settings: { type: "string" },
  resume: { type: "string" },
  "no-export": { type: "boolean" },
  "no-measure": { type: "boolean" },
} as const;

/** Trains; resolves to 0, or to 130 or 143 when a signal ended it. @throws MagdiError as its parts do */
export async function runTrain(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS });
  const given = new Map(Object.entries(values));
  const resume = textOf(given.get("resume"));
  const settings = resume === undefined ? freshSettings(given) : resumedSettings(resume, given);
  const folder = resume ?? settings.out;
  if (folder === null) throw missing("--out RUN");
  const progress = terminalProgress(process.stderr);
  let stopping = "stopping after the batch that runs, with a checkpoint; once more ends it at once";
  const stop = new StopSignals(() => {
    progress.end();
    say(stopping);
  });
  try {
    if (resume === undefined) createRun(folder, settings);
    const measure =
      given.get("no-measure") === true
        ? {}
        : {
            measure: measurement(
              settings.threads ?? parseThreads(undefined),
              stoppable(progress, stop.signal),
            ),
          };
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

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function missing(what: string): MagdiError {
  return new MagdiError("MAGDI_BAD_CONFIG", `expected ${what}, see: magdi train --help`);
}

function freshSettings(given: ReadonlyMap<string, unknown>): TrainingSettings {
  const file = textOf(given.get("settings"));
  const flags: Record<string, unknown> = {};
  for (const { key, flag } of SETTINGS) {
    const text = textOf(given.get(flag));
    if (text !== undefined) flags[key] = settingFromText(key, text);
  }
  if (given.get("no-export") === true) flags.export = false;
  const flagOf = new Map(SETTINGS.map(({ key, flag }) => [key, `--${flag}`]));
  const sources: SettingsSource[] = [
    ...(file === undefined
      ? []
      : [{ nameOf: (key: string) => `${file}: ${key}`, values: readSettingsFile(file) }]),
    { nameOf: (key) => flagOf.get(key) ?? key, values: flags },
  ];
  const settings = resolveSettings(sources);
  if (settings.base === null) throw missing("--base SOURCE");
  if (settings.out === null) throw missing("--out RUN");
  if (settings.data.length === 0 && settings.losses.length > 0) throw missing("--data FILE");
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

function resumedSettings(folder: string, given: ReadonlyMap<string, unknown>): TrainingSettings {
  const allowed = new Set(["resume", "no-export", "no-measure", ...OF_THE_MACHINE]);
  const others = [...given.keys()].filter((flag) => !allowed.has(flag));
  if (others.length > 0) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--${others[0]}: a run goes on with the settings it was begun with; leave it out, or train into a new folder`,
    );
  }
  const machine = OF_THE_MACHINE.flatMap((flag) => {
    const text = textOf(given.get(flag));
    return text === undefined ? [] : [[flag, settingFromText(flag, text)] as const];
  });
  const settings = checkedSettings(
    { ...runSettings(folder), ...Object.fromEntries(machine) },
    (key) => `--${key}`,
  );
  return given.get("no-export") === true ? { ...settings, export: false } : settings;
}

function readSettingsFile(file: string): Readonly<Record<string, unknown>> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    const [code, found] =
      cause instanceof SyntaxError
        ? (["MAGDI_BAD_CONFIG", "text that is no JSON"] as const)
        : (["MAGDI_FILE_MISSING", "none to read"] as const);
    throw new MagdiError(code, `--settings ${file}: expected a JSON file of settings, found ${found}`, {
      cause,
    });
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new MagdiError("MAGDI_BAD_CONFIG", `--settings ${file}: expected a JSON object of settings`);
  }
  // What a run wrote can be used again.
  const { settings } = content as { settings?: unknown }; // it is an object
  return (typeof settings === "object" && settings !== null ? settings : content) as Record<string, unknown>; // keys are checked next
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The first signal asks the run to stop; a second ends the process at once. */
class StopSignals {
  readonly #abort = new AbortController();
  readonly #onFirst: () => void;
  #code = 0;

  constructor(onFirst: () => void) {
    this.#onFirst = onFirst;
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    const code = name === "SIGINT" ? 130 : 143;
    if (this.#code !== 0) process.exit(code);
    this.#code = code;
    this.#onFirst();
    this.#abort.abort();
  };

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get exitCode(): number {
    return this.#code;
  }

  close(): void {
    process.removeListener("SIGINT", this.#onSignal);
    process.removeListener("SIGTERM", this.#onSignal);
  }
}
