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
import { hashedWhileRead } from "../../student/base-hash.ts";
import type { BaseModel } from "../../student/base-model.ts";
import type { Manifest } from "../../student/manifest.ts";
import { locateBase, openCheckedBase } from "../../student/open-base.ts";
import { type ImportOptions, importStudent } from "../../student/write-student-folder.ts";
import { withAdapterTexts } from "../adapter/adapter-texts.ts";
import { exportStudent, TRAINING_METADATA } from "../adapter/export-student.ts";
import { applyInitAdapter, type InitAdapter, readInitAdapter } from "../adapter/init-adapter.ts";
import { baseOfAdapter, locateAdapter, otherBaseNote } from "../adapter/locate-adapter.ts";
import { sameModules } from "../adapter/peft-adapter.ts";
import { findRecipe } from "../recipes.ts";
import { fitPooledCentre, initialiseParameters } from "../step/initial-parameters.ts";
import { openTrainingStep, type TrainingStep } from "../step/training-step.ts";
import { type AdapterDescription, type RunState, readRunState } from "./checkpoint.ts";
import { studentText } from "./open-base-tokenizer.ts";
import { type DataPart, type RunData, readRunData, sharesPrompts } from "./run-data.ts";
import { BEST_FOLDER, CHECKPOINT_FOLDER, SETTINGS_FILE, STUDENT_FOLDER } from "./run-files.ts";
import { RunPlan } from "./run-plan.ts";
import { type TrainerOptions, type TrainingOutcome, type TrainingProgress, train } from "./trainer.ts";
import {
  batchLimits,
  checkedSettings,
  type SettledSettings,
  settingsWithAdapter,
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
  /** Whether a resumed run was given more steps or patience: then it is an error when nothing is left to do. */
  readonly lengthened?: boolean;
  /** Called with what there is to know before the first step, such as the device that was chosen. */
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

/** Hash of the settings that a run's steps depend on. Threads and device are left out: a run may be resumed with others, which
 * change the last bits only; so are those of its length, which a run may be given more of. */
function settingsHashOf(settings: TrainingSettings): string {
  const {
    out: _out,
    export: _export,
    dtypes: _dtypes,
    threads: _threads,
    device: _device,
    epochs: _epochs,
    maxSteps: _maxSteps,
    patience: _patience,
    ...hashed
  } = settings;
  return createHash("sha256").update(JSON.stringify(hashed)).digest("hex");
}

/** The sources of a run, which are here. */
interface Sources {
  /** As it is named for others, such as in adapter_config.json. */
  readonly base: string;
  /** The folder of the adapter that it trains on. */
  readonly initAdapter: string | null;
}

async function locateSources({ settings, hub, onStage }: TrainingRunOptions): Promise<Sources> {
  const initAdapter =
    settings.initAdapter === null
      ? null
      : await locateAdapter({
          source: settings.initAdapter,
          ...(hub === undefined ? {} : { hub }),
          onProgress: ({ stage, done, total }) => onStage(stage, done, total),
        });
  const base = settings.base ?? (initAdapter === null ? null : baseOfAdapter(initAdapter));
  if (base !== null) return { base, initAdapter };
  throw new MagdiError("MAGDI_BAD_CONFIG", "base: expected a base model, found none; pass --base");
}

/** Starts or resumes training, then exports. @throws MagdiError */
export async function runTraining(options: TrainingRunOptions): Promise<TrainingRunResult> {
  const { folder } = options;
  const sources = await locateSources(options);
  const settings = { ...options.settings, base: sources.base };
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
  const outcome = trains ? await trained({ ...options, settings }, sources) : null;
  if (outcome?.reason === "interrupted") return { outcome, student: null, interrupted: "training" };
  if (!settings.export) return { outcome, student: null, interrupted: null };
  options.onExport?.();
  try {
    const { base, initAdapter: texts } = sources;
    const adapter = trains ? path.join(folder, BEST_FOLDER) : texts;
    const student =
      adapter === null
        ? await importStudent({ ...importOptions, source: base })
        : await exportStudent({ ...importOptions, base, adapter, ...(texts === null ? {} : { texts }) });
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

async function trained(options: TrainingRunOptions, sources: Sources): Promise<TrainingOutcome> {
  const { folder, onStage } = options;
  const { path: place } = await locateBase({
    source: sources.base,
    ...(options.hub === undefined ? {} : { hub: options.hub }),
    onProgress: ({ stage, done, total }) => onStage(stage, done, total),
  });
  const device = await chooseDevice(options.settings.device);
  if (options.settings.device !== "cpu") options.onNote?.(`the training ${tellChoice(device)}`);
  const opened = await openCheckedBase(place);
  const state = readRunState(path.join(folder, CHECKPOINT_FOLDER));
  let settings: SettledSettings;
  let data: RunData;
  let step: TrainingStep;
  let init: InitAdapter | null;
  let origin: TrainerOptions["origin"];
  let adapter: AdapterDescription;
  try {
    const { initAdapter } = sources;
    init = initAdapter === null ? null : readInitAdapter(initAdapter, opened.config);
    const base = initAdapter === null ? opened : withAdapterTexts(opened, initAdapter);
    const own = init === null ? null : { ...sameModules(base.config, init.adapter), lora: init.lora };
    const { settings: wanted } = options;
    settings = settledSettings(
      own === null ? wanted : settingsWithAdapter(wanted, String(initAdapter), own),
      base,
    );
    const notes = [...(init === null ? [] : initNotes(init, base, sources)), ...(base.notes ?? [])];
    for (const note of notes) options.onNote?.(note);
    data = await readRunData(settings, await studentText(base));
    if (options.lengthened === true && state !== null) assertLonger(settings, data, state);
    writeSettings(folder, settings);
    adapter = { ...describeAdapter(settings, sources, data, own), textFiles: base.textFiles };
    const hashed = hashedWhileRead(base);
    step = await openTrainingStep(hashed.base, {
      lora: {
        rank: settings.loraRank,
        scale: settings.loraAlpha / settings.loraRank,
        targets: settings.loraTargets,
        ...init?.lora,
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
    origin = {
      settingsHash: settingsHashOf(settings),
      baseHash: hashed.hash(),
      initAdapterHash: init?.hash ?? null,
    };
  } finally {
    opened.close();
  }
  try {
    options.onData(data, step);
    if (state === null) {
      initialiseParameters(step.parameters, step.shapes, settings.seed);
      const hasHeads = init !== null && applyInitAdapter(init, step.parameters, step.shapes);
      if (hasHeads) options.onNote?.("heads: those beside the adapter, with the centre that they know");
      const fitted =
        hasHeads ||
        (await fitPooledCentre(step, data.training.data, {
          seed: settings.seed,
          limits: batchLimits(settings),
          signal: options.signal,
          onProgress: (done, total) => onStage("measuring the centre of the pooled vectors", done, total),
        }));
      if (!fitted) {
        // There is no checkpoint yet: a resumed run starts here again.
        const { totalSteps } = new RunPlan(settings, data.training.data.items.length);
        return { reason: "interrupted", step: 0, totalSteps, best: null };
      }
    }
    return await train({
      settings,
      origin,
      folder,
      step,
      training: data.training.data,
      validation: data.validation?.data ?? null,
      adapter,
      signal: options.signal,
      now: () => performance.now(),
      onProgress: options.onProgress,
      onValidation: options.onValidation,
    });
  } finally {
    step.close();
  }
}

/** What there is to say of an adapter that is trained on. */
function initNotes({ adapter }: InitAdapter, base: BaseModel, sources: Sources): string[] {
  const { config, modules } = adapter;
  const other = otherBaseNote(config, sources.base, base.configJson._name_or_path);
  const shapes = new Set(modules.map(({ rank, alpha }) => `rank ${rank}, alpha ${alpha}`));
  return [
    `training on from the adapter ${adapter.source}: ${modules.length} modules, ${[...shapes].join("; ")}`,
    ...config.notes,
    ...(other === null ? [] : [other]),
  ];
}

/** @throws MAGDI_BAD_CONFIG when a run that was given more steps has none to do */
function assertLonger(settings: SettledSettings, { training }: RunData, state: RunState): void {
  const { step, validationsWithoutBetter } = state;
  const plan = new RunPlan(settings, training.data.items.length);
  if (!plan.isOver(state)) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    step >= plan.totalSteps
      ? `--epochs, --max-steps: expected more than the ${step} steps that the run has done, found ${settings.epochs} epochs and ${settings.maxSteps ?? "any number of"} steps at most, which are ${plan.totalSteps}`
      : `--patience: the run stopped after ${validationsWithoutBetter} validations without improvement, and would again; give it more patience, or 0`,
  );
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
  settings: SettledSettings,
  { base, initAdapter }: Sources,
  { training }: RunData,
  own: ReturnType<typeof sameModules> | null,
): AdapterDescription {
  const { level } = findRecipe(settings.recipe).recipe;
  const files = settings.data.map((file) => path.basename(file)).join(", ");
  const from = initAdapter === null ? "" : `, from the adapter ${path.basename(path.resolve(initAdapter))}`;
  const { rank, alpha, targets, ...patterns } = own ?? {
    rank: settings.loraRank,
    alpha: settings.loraAlpha,
    targets: settings.loraTargets,
  };
  return {
    base,
    rank,
    alpha,
    dropout: settings.loraDropout,
    targets,
    ...patterns,
    metadata: {
      [TRAINING_METADATA.recipe]: settings.recipe,
      [TRAINING_METADATA.data]: `${learnedText(training, settings)} of ${files}${from}`,
      ...(level === null ? {} : { [TRAINING_METADATA.level]: String(level) }),
    },
  };
}

/** What is really learned from, for the card. */
function learnedText({ mags, of, taught }: DataPart, { dataFormat }: SettledSettings): string {
  const count = mags === of ? mags : `${mags} of ${of}`;
  if (dataFormat === "chat") return `${count} examples`;
  return `${count} MAGs (${taught.right} right and ${taught.wrong} wrong nodes)`;
}
