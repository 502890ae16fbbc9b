// A whole training run: the base and the data opened as the settings say, the run's folder, the training, the student
// at the end. It knows no flags and prints nothing.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { writing } from "../../base/files/disk-refusal.ts";
import type { NodeClassifier } from "../../nn/node-classifier.ts";
import type { TrainingLosses } from "../../nn/training-graph.ts";
import { chooseDevice, tellChoice } from "../../runtime/device.ts";
import { type ImportOptions, importStudent } from "../../student/import-student.ts";
import type { Manifest } from "../../student/manifest.ts";
import { locateBase, openBase } from "../../student/open-base.ts";
import { exportStudent, TRAINING_METADATA } from "../adapter/export-student.ts";
import { findRecipe } from "../recipes.ts";
import { initialiseParameters } from "../step/initial-parameters.ts";
import { fitPooledCentre } from "../step/pooled-centre.ts";
import { openTrainingStep, type TrainingStep } from "../step/training-step.ts";
import { type AdapterDescription, readRunState } from "./checkpoint.ts";
import { type RunData, readRunData, sharesPrompts } from "./run-data.ts";
import { BEST_FOLDER, CHECKPOINT_FOLDER, SETTINGS_FILE } from "./run-files.ts";
import { RunPlan } from "./run-plan.ts";
import { studentText } from "./student-text.ts";
import { type TrainerOptions, type TrainingOutcome, type TrainingProgress, train } from "./trainer.ts";
import {
  checkedSettings,
  type SettledSettings,
  settledSettings,
  type TrainingSettings,
} from "./training-settings.ts";

export const STUDENT_FOLDER = "student";
const FORMAT = 1;

export interface TrainingRunOptions {
  readonly settings: TrainingSettings;
  /** The run's folder. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly hub?: NonNullable<ImportOptions["hub"]>;
  readonly measure?: NonNullable<ImportOptions["measure"]>;
  readonly onStage: (stage: string, done: number, total: number) => void;
  /** Where another device than the processor was asked for: what it became, and why. */
  readonly onDevice?: (choice: string) => void;
  readonly onData: (data: RunData, step: TrainingStep) => void;
  readonly onProgress: (progress: TrainingProgress) => void;
  readonly onValidation: NonNullable<TrainerOptions["onValidation"]>;
  /** Training is done, and the student is about to be written. */
  readonly onExport?: () => void;
}

export interface TrainingRunResult {
  /** Null for a recipe that trains nothing. */
  readonly outcome: TrainingOutcome | null;
  /** The exported student; null when it was not asked for, or the run was interrupted. */
  readonly student: Manifest | null;
  /** By the signal: training with a checkpoint, or the export, of which nothing is left. Either goes on when resumed. */
  readonly interrupted: "training" | "export" | null;
}

/** Makes a run's folder with its settings in it. @throws MAGDI_BAD_CONFIG when it is not empty, MAGDI_NOT_WRITTEN */
export function createRun(folder: string, settings: TrainingSettings): void {
  // A run that ended before its first line has nothing to lose.
  if (existsSync(folder) && readdirSync(folder).some((name) => name !== SETTINGS_FILE)) {
    const hint = existsSync(path.join(folder, SETTINGS_FILE))
      ? `; to go on with that run: magdi train --resume ${folder}`
      : "";
    throw new MagdiError("MAGDI_BAD_CONFIG", `--out: ${folder} is not empty${hint}`);
  }
  writing(folder, () => mkdirSync(folder, { recursive: true }));
  writeSettings(folder, settings);
}

function writeSettings(folder: string, settings: TrainingSettings): void {
  const file = path.join(folder, SETTINGS_FILE);
  writing(file, () => {
    writeFileSync(`${file}.part`, `${JSON.stringify({ format: FORMAT, settings }, null, 2)}\n`, {
      flush: true,
    });
    renameSync(`${file}.part`, file);
  });
}

/** The settings that a run's folder says it was begun with. @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
export function runSettings(folder: string): TrainingSettings {
  const file = path.join(folder, SETTINGS_FILE);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) {
      throw new MagdiError(
        "MAGDI_FILE_MISSING",
        `${file}: expected a training run's settings, found none to read`,
        { cause },
      );
    }
    throw new MagdiError("MAGDI_BAD_FILE", `${file}: expected JSON: ${cause.message}`, { cause });
  }
  const parsed = z
    .object({ format: z.literal(FORMAT), settings: z.record(z.string(), z.unknown()) })
    .safeParse(content);
  if (!parsed.success) throw new MagdiError("MAGDI_BAD_FILE", `${file}: ${parsed.error.message}`);
  return checkedSettings(parsed.data.settings, (key) => `${file}: ${key}`);
}

/** Of the settings that a run's course depends on: it may go on with other threads, or on another device, whose last bits
 * are others. */
function settingsHashOf(settings: TrainingSettings): string {
  const {
    out: _out,
    export: _export,
    dtypes: _dtypes,
    threads: _threads,
    device: _device,
    ...course
  } = settings;
  return createHash("sha256").update(JSON.stringify(course)).digest("hex");
}

/** Trains or goes on training, then exports. @throws MagdiError as its parts do. */
export async function runTraining(options: TrainingRunOptions): Promise<TrainingRunResult> {
  const { settings, folder } = options;
  const source = settings.base;
  if (source === null)
    throw new MagdiError("MAGDI_BAD_CONFIG", "base: expected a base model, found none; pass --base");
  const importOptions = {
    ...(options.hub === undefined ? {} : { hub: options.hub }),
    ...(options.measure === undefined ? {} : { measure: options.measure }),
    onProgress({ stage, done, total }: { stage: string; done: number; total: number }): void {
      stopIfAborted(options.signal);
      options.onStage(stage, done, total);
    },
    dtypes: settings.dtypes,
    out: path.join(folder, STUDENT_FOLDER),
    name: path.basename(path.resolve(folder)),
    force: true,
  };
  const trains = settings.losses.length > 0;
  const outcome = trains ? await trained(options, source) : null;
  if (outcome?.reason === "interrupted") return { outcome, student: null, interrupted: "training" };
  if (!settings.export) return { outcome, student: null, interrupted: null };
  options.onExport?.();
  try {
    const adapter = path.join(folder, BEST_FOLDER);
    const student = trains
      ? await exportStudent({ ...importOptions, base: source, adapter })
      : await importStudent({ ...importOptions, source });
    return { outcome, student, interrupted: null };
  } catch (error) {
    if (!options.signal.aborted) throw error;
    return { outcome, student: null, interrupted: "export" };
  }
}

/** To be called while a student is written, which ends so and leaves nothing behind. @throws MAGDI_CANCELLED */
export function stopIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new MagdiError("MAGDI_CANCELLED", "writing the student was interrupted");
}

async function trained(options: TrainingRunOptions, source: string): Promise<TrainingOutcome> {
  const { folder, onStage } = options;
  const { path: place } = await locateBase({
    source,
    ...(options.hub === undefined ? {} : { hub: options.hub }),
    onProgress: ({ stage, done, total }) => onStage(stage, done, total),
  });
  const device = await chooseDevice(options.settings.device);
  if (options.settings.device !== "cpu") options.onDevice?.(tellChoice(device));
  const base = openBase(place);
  let settings: SettledSettings;
  let data: RunData;
  let step: TrainingStep;
  try {
    settings = settledSettings(options.settings, base);
    writeSettings(folder, settings);
    data = await readRunData(settings, await studentText(base));
    step = await openTrainingStep(base, {
      lora: {
        rank: settings.loraRank,
        scale: settings.loraAlpha / settings.loraRank,
        targets: settings.loraTargets,
        dropout: settings.loraDropout,
      },
      losses: lossesOf(settings),
      recompute: settings.recompute,
      sharedPrompts: sharesPrompts(settings),
      device: device.device,
      dtype: settings.baseDtype,
      ...(settings.threads === null ? {} : { threads: settings.threads }),
      onProgress: (done, total) => onStage("reading the base", done, total),
    });
  } finally {
    base.close();
  }
  try {
    options.onData(data, step);
    if (readRunState(path.join(folder, CHECKPOINT_FOLDER)) === null) {
      initialiseParameters(step.parameters, step.shapes, settings.seed);
      const fitted = await fitPooledCentre(step, data.training.data, {
        settings,
        signal: options.signal,
        onProgress: (done, total) => onStage("measuring what pooled vectors share", done, total),
      });
      if (!fitted) {
        // Without a checkpoint, a resumed run begins here again.
        const { totalSteps } = new RunPlan(settings, data.training.data.items.length);
        return { reason: "interrupted", step: 0, totalSteps, best: null };
      }
    }
    return await train({
      settings,
      settingsHash: settingsHashOf(settings),
      folder,
      step,
      training: data.training.data,
      validation: data.validation?.data ?? null,
      adapter: describeAdapter(settings, source, data),
      signal: options.signal,
      now: () => performance.now(),
      onProgress: options.onProgress,
      onValidation: options.onValidation,
    });
  } finally {
    step.close();
  }
}

function classifierOf(settings: SettledSettings): NodeClassifier {
  const { nodeClassifier: kind, gcnWidth: width, nodeHead } = settings;
  const classes = settings.missingNodes === "third-class" ? 3 : 2;
  return kind === "gcn" ? { kind, width, classes, direct: nodeHead === "none" } : { kind, width, classes };
}

/** The losses that a step's graph is made with. */
function lossesOf(settings: SettledSettings): TrainingLosses {
  const { losses, scoreWidth: width } = settings;
  return {
    nll: losses.includes("nll") ? { weight: settings.nllWeight } : null,
    margin: losses.includes("margin")
      ? {
          weight: settings.marginWeight,
          margin: settings.margin,
          head: settings.scoreHead === "mlp" ? { kind: "mlp", width } : { kind: "linear" },
        }
      : null,
    node: losses.includes("node")
      ? {
          weight: settings.nodeWeight,
          features: settings.nodeFeatures,
          classifier: classifierOf(settings),
          dropout: { share: settings.gcnDropout, whenValidating: settings.gcnDropoutWhenValidating },
        }
      : null,
    centred: settings.pooledCentre === "measured",
  };
}

function describeAdapter(
  settings: TrainingSettings,
  base: string,
  { training }: RunData,
): AdapterDescription {
  const { level } = findRecipe(settings.recipe).recipe;
  const files = settings.data.map((file) => path.basename(file)).join(", ");
  return {
    base,
    rank: settings.loraRank,
    alpha: settings.loraAlpha,
    dropout: settings.loraDropout,
    targets: settings.loraTargets,
    metadata: {
      [TRAINING_METADATA.recipe]: settings.recipe,
      [TRAINING_METADATA.data]: `${training.mags} MAGs of ${files}`,
      ...(level === null ? {} : { [TRAINING_METADATA.level]: String(level) }),
    },
  };
}
