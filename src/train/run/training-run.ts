// A whole training run: makes the run's folder, opens base and data as the settings say, trains, and exports the student. It
// knows no flags and prints nothing.

import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { checked, readJson } from "../../base/files/json-file.ts";
import { writeWholeFile } from "../../base/files/whole-file.ts";
import type { NodeClassifier } from "../../nn/node-classifier.ts";
import type { TrainingLosses } from "../../nn/training-graph.ts";
import { chooseDevice, tellChoice } from "../../runtime/device.ts";
import type { Manifest } from "../../student/manifest.ts";
import { locateBase, openCheckedBase } from "../../student/open-base.ts";
import { type ImportOptions, importStudent } from "../../student/write-student-folder.ts";
import { exportStudent, TRAINING_METADATA } from "../adapter/export-student.ts";
import { findRecipe } from "../recipes.ts";
import { fitPooledCentre, initialiseParameters } from "../step/initial-parameters.ts";
import { openTrainingStep, type TrainingStep } from "../step/training-step.ts";
import { type AdapterDescription, readRunState } from "./checkpoint.ts";
import { studentText } from "./open-base-tokenizer.ts";
import { type RunData, readRunData, sharesPrompts } from "./run-data.ts";
import { BEST_FOLDER, CHECKPOINT_FOLDER, SETTINGS_FILE, STUDENT_FOLDER } from "./run-files.ts";
import { RunPlan } from "./run-plan.ts";
import { type TrainerOptions, type TrainingOutcome, type TrainingProgress, train } from "./trainer.ts";
import {
  batchLimits,
  checkedSettings,
  type SettledSettings,
  settledSettings,
  type TrainingSettings,
} from "./training-settings.ts";

const FORMAT = 1;

export interface TrainingRunOptions {
  readonly settings: TrainingSettings;
  /** The run's folder. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly hub?: NonNullable<ImportOptions["hub"]>;
  readonly measure?: NonNullable<ImportOptions["measure"]>;
  readonly onStage: (stage: string, done: number, total: number) => void;
  /** Called unless the device setting is cpu, with the device that was chosen and why. */
  readonly onDevice?: (choice: string) => void;
  /** Called with each thing in the base that was read otherwise than one may expect. */
  readonly onNote?: (note: string) => void;
  readonly onData: (data: RunData, step: TrainingStep) => void;
  readonly onProgress: (progress: TrainingProgress) => void;
  readonly onValidation: NonNullable<TrainerOptions["onValidation"]>;
  /** Called when training is done, before the student is written. */
  readonly onExport?: () => void;
}

export interface TrainingRunResult {
  /** Null for a recipe without losses, which trains nothing. */
  readonly outcome: TrainingOutcome | null;
  /** The exported student; null when export is off or the run was interrupted. */
  readonly student: Manifest | null;
  /** What the signal interrupted: training, which leaves a checkpoint, or the export, which leaves nothing. Both can be
   * resumed. */
  readonly interrupted: "training" | "export" | null;
}

/** Makes a run's folder with its settings in it. @throws MAGDI_BAD_CONFIG when it is not empty, MAGDI_NOT_WRITTEN */
export function createRun(folder: string, settings: TrainingSettings): void {
  // A folder with settings alone is a run that ended before it began: it may be overwritten.
  if (existsSync(folder) && readdirSync(folder).some((name) => name !== SETTINGS_FILE)) {
    const hint = existsSync(path.join(folder, SETTINGS_FILE))
      ? `; to go on with that run: magdi train --resume ${folder}`
      : "";
    throw new MagdiError("MAGDI_BAD_CONFIG", `--out: ${folder} is not empty${hint}`);
  }
  writeSettings(folder, settings);
}

function writeSettings(folder: string, settings: TrainingSettings): void {
  const text = `${JSON.stringify({ format: FORMAT, settings }, null, 2)}\n`;
  writeWholeFile(path.join(folder, SETTINGS_FILE), text);
}

/** The settings that a run was started with, from its folder. @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
export function runSettings(folder: string): TrainingSettings {
  const file = path.join(folder, SETTINGS_FILE);
  const schema = z.object({ format: z.literal(FORMAT), settings: z.record(z.string(), z.unknown()) });
  const { settings } = checked(schema, readJson(file, "a training run's settings"), file);
  return checkedSettings(settings, (key) => `${file}: ${key}`);
}

/** Hash of the settings that the results depend on. Threads and device are left out: a run may be resumed with others, which
 * change the last bits only. */
function settingsHashOf(settings: TrainingSettings): string {
  const {
    out: _out,
    export: _export,
    dtypes: _dtypes,
    threads: _threads,
    device: _device,
    ...hashed
  } = settings;
  return createHash("sha256").update(JSON.stringify(hashed)).digest("hex");
}

/** Starts or resumes training, then exports. @throws MagdiError */
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

/** Interrupts the writing of a student, which then leaves no files. @throws MAGDI_CANCELLED when the signal has aborted */
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
  const base = await openCheckedBase(place);
  let settings: SettledSettings;
  let data: RunData;
  let step: TrainingStep;
  try {
    for (const note of base.notes ?? []) options.onNote?.(note);
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
        seed: settings.seed,
        limits: batchLimits(settings),
        signal: options.signal,
        onProgress: (done, total) => onStage("measuring the centre of the pooled vectors", done, total),
      });
      if (!fitted) {
        // There is no checkpoint yet: a resumed run starts here again.
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
      adapter: { ...describeAdapter(settings, source, data), textFiles: base.textFiles },
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

/** The losses of the training graph. */
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
