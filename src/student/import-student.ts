// Import: a base model in, a student folder out. The folder appears whole or not at all: it is written beside its
// place and renamed.

import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../errors.ts";
import { expectedTensors } from "../nn/decoder-config.ts";
import { engineGraph, transformersGraph, type WeightLoader } from "../nn/serving-graph.ts";
import { encodeModel } from "../onnx/encode.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
import type { BaseModel } from "./base-model.ts";
import { calibrationTokens, inputMaxima } from "./calibration.ts";
import { type Dtype, engineFileName, modelFileName } from "./dtype.ts";
import { chooseDtype } from "./dtype-choice.ts";
import { partialPath, putInPlace, restoreReplaced } from "./folder-place.ts";
import { openGgufBase } from "./gguf-base.ts";
import { downloadFromHub, type HubOptions, parseHubId } from "./hub.ts";
import { openHuggingFaceBase } from "./hugging-face-base.ts";
import { LayerInputs } from "./layer-inputs.ts";
import {
  fingerprint,
  MANIFEST_FILE,
  type Manifest,
  type Quality,
  readManifest,
  type StepTimes,
  type Training,
} from "./manifest.ts";
import { modelCard } from "./model-card.ts";
import { smoothed } from "./smoothing.ts";
import { isCompensated } from "./stored-linear.ts";
import { StoredWeights } from "./stored-weights.ts";
import { openStudentBase } from "./student-base.ts";
import { WeightFiles } from "./weight-files.ts";

export interface ImportProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

/** A written dtype, ready to be measured before the folder gets its name. */
export interface WrittenDtype {
  readonly dtype: Dtype;
  readonly engineGraph: string;
}

/** A base with something learned in its weights. */
export interface AdaptedBase {
  readonly base: BaseModel;
  /** The paper's level of distillation, where it is known. */
  readonly level: number | null;
  readonly training: Training;
}

export interface ImportOptions {
  readonly source: string;
  readonly out: string;
  readonly dtypes: readonly Dtype[];
  /** Without it, the output folder's name. */
  readonly name?: string;
  /** Where the base comes from, for the card; without it, the source's file name. */
  readonly origin?: string;
  /** The hub that a source which is not on disk may name; without it nothing is downloaded. */
  readonly hub?: Omit<HubOptions, "onProgress">;
  /** Of what is run on the way; without it, as many as there are processors to use. */
  readonly threads?: number;
  /** Replace an existing student folder. */
  readonly force?: boolean;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** What is written instead of the source as it is, and how it was trained; the source is closed afterwards. */
  readonly adapt?: (base: BaseModel) => Promise<AdaptedBase>;
  /** Measures every dtype against a float32 export; without it the manifest says null. */
  readonly measure?: (
    folder: string,
    base: BaseModel,
    reference: WrittenDtype,
    dtypes: readonly WrittenDtype[],
  ) => Promise<ReadonlyMap<Dtype, Quality>>;
  /** Times every dtype; with it, only the one that chooseDtype picks is kept. It needs `measure`. */
  readonly time?: (
    base: BaseModel,
    dtypes: readonly WrittenDtype[],
  ) => Promise<ReadonlyMap<Dtype, StepTimes>>;
}

/** A Hugging Face folder, a student folder or a .gguf file. @throws MAGDI_FILE_MISSING when there is neither. */
export function openBase(source: string): BaseModel {
  const found = statSync(source, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${source}: expected a Hugging Face folder, a student folder, a .gguf file or a hub id (OWNER/NAME[@REVISION][:FILE.gguf]), found none of them`,
    );
  }
  if (!found.isDirectory()) return openGgufBase(source);
  return isStudent(source) ? openStudentBase(source) : openHuggingFaceBase(source);
}

const isStudent = (folder: string): boolean => existsSync(path.join(folder, MANIFEST_FILE));

/** Where the source lies and what the card calls it. What exists on disk wins over a hub id of the same name. */
export async function locateBase(
  options: Pick<ImportOptions, "source" | "hub" | "onProgress">,
): Promise<{ readonly path: string; readonly name: string }> {
  const { source, hub, onProgress } = options;
  const id = existsSync(source) || hub === undefined ? null : parseHubId(source);
  if (hub === undefined || id === null) return { path: source, name: path.basename(path.resolve(source)) };
  const downloaded = await downloadFromHub(id, {
    ...hub,
    onProgress: ({ file, doneBytes, totalBytes }) =>
      onProgress?.({ stage: `downloading ${file}, bytes`, done: doneBytes, total: totalBytes ?? doneBytes }),
  });
  return { path: downloaded, name: source };
}

function assertFree(out: string, force: boolean): void {
  restoreReplaced(out);
  const found = statSync(out, { throwIfNoEntry: false });
  if (found === undefined) return;
  const empty = found.isDirectory() && readdirSync(out).length === 0;
  const student = isStudent(out);
  if (empty || (force && student)) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    student
      ? `--out: ${out} already holds a student; pass --force to replace it`
      : `--out: ${out} exists and is not a student folder; name one that does not exist`,
  );
}

interface Written extends WrittenDtype {
  readonly load: WeightLoader;
  readonly manifest: Omit<NonNullable<Manifest["dtypes"][Dtype]>, "quality">;
  readonly dataFiles: number;
}

async function writeDtype(
  base: BaseModel,
  folder: string,
  dtype: Dtype,
  options: ImportOptions,
  inputs: LayerInputs | null = null,
): Promise<Written> {
  mkdirSync(path.join(folder, "onnx"), { recursive: true });
  const parameters = countParameters(base);
  const bytesEach = { fp32: 4, fp16: 2, q8: 1.3, int8: 1.3, q4: 0.8, q4f16: 0.8 }[dtype];
  const files = new WeightFiles(path.join(folder, "onnx"), modelFileName(dtype), parameters * bytesEach);
  try {
    const weights = await StoredWeights.write(base, dtype, files, {
      inputs,
      onProgress: (done, total) => options.onProgress?.({ stage: `writing ${dtype}`, done, total }),
    });
    const names = { engine: `onnx/${engineFileName(dtype)}`, model: `onnx/${modelFileName(dtype)}` };
    const graphs = { engine: engineGraph, model: transformersGraph };
    for (const kind of ["engine", "model"] as const) {
      const model = graphs[kind](base.config, (g) => weights.load(g));
      writeFileSync(path.join(folder, names[kind]), encodeModel(model));
    }
    return {
      dtype,
      load: (g) => weights.load(g),
      engineGraph: path.join(folder, names.engine),
      dataFiles: files.count,
      manifest: {
        ...names,
        data: files.names.map((name) => `onnx/${name}`),
        weights: Object.fromEntries(weights.formats()),
      },
    };
  } finally {
    files.close();
  }
}

function countParameters(base: BaseModel): number {
  const sizes = [...expectedTensors(base.config).values()].map((shape) => shape.reduce((a, b) => a * b, 1));
  return sizes.reduce((a, b) => a + b, 0);
}

/** config.json as the source has it, with what transformers.js must know of the data files. */
function configFor(base: BaseModel, written: readonly Written[]): string {
  const dataFiles = Object.fromEntries(
    written.map(({ dtype, dataFiles }) => [modelFileName(dtype), dataFiles]),
  );
  const own = { ...base.configJson, "transformers.js_config": { use_external_data_format: dataFiles } };
  return `${JSON.stringify(own, null, 2)}\n`;
}

/** Imports one base model. Returns the manifest that was written.
 * @throws MagdiError; nothing is left behind but the folder of an import that was killed, which the next one of the
 * same name removes. */
export async function importStudent(options: ImportOptions): Promise<Manifest> {
  const out = path.resolve(options.out);
  assertFree(out, options.force ?? false);
  const source = await locateBase(options);
  const opened = openBase(source.path);
  const partial = partialPath(out);
  try {
    const adapted = await options.adapt?.(opened);
    const base = adapted?.base ?? opened;
    if (options.time !== undefined) assertMeasurable(base);
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    for (const [name, text] of base.textFiles) writeFileSync(path.join(partial, name), text);
    const written: Written[] = [];
    const references = new References(base, partial, written, options);
    for (const dtype of options.dtypes) {
      const balanced = dtype === "int8" ? await references.balanced() : base;
      const inputs = await layerInputs(balanced, partial, dtype, options);
      try {
        written.push(await writeDtype(balanced, partial, dtype, options, inputs));
      } finally {
        inputs?.close();
      }
    }
    const quality = await measureAll(base, references, partial, written, options);
    const choice =
      options.time === undefined ? null : chooseDtype(quality, await options.time(base, written));
    references.remove();
    if (choice !== null) keepOnly(choice.dtype, written, partial);
    writeFileSync(path.join(partial, "config.json"), configFor(base, written));
    writeFileSync(
      path.join(partial, "generation_config.json"),
      `${JSON.stringify(base.generationConfig, null, 2)}\n`,
    );
    // A student in another format is the same student; what it learns besides is said by whoever taught it.
    const parent = isStudent(source.path) ? readManifest(source.path) : null;
    const training = adapted?.training ?? parent?.training;
    const manifest: Manifest = {
      format: 1,
      name: options.name ?? path.basename(out),
      base: options.origin ?? parent?.base ?? source.name,
      family: String(base.configJson.model_type),
      parameters: countParameters(base),
      contextLength: base.config.positions,
      licence: base.licence,
      level: adapted?.level ?? parent?.level ?? null,
      tasks: parent?.tasks ?? [],
      ...(training === undefined ? {} : { training }),
      ...(choice === null ? {} : { choice }),
      dtypes: Object.fromEntries(
        written.map(({ dtype, manifest }) => [dtype, { ...manifest, quality: quality.get(dtype) ?? null }]),
      ),
      files: {},
    };
    writeFileSync(path.join(partial, "README.md"), modelCard(manifest));
    const names = readdirSync(partial, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) =>
        path.relative(partial, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"),
      )
      .sort();
    for (const [index, name] of names.entries()) {
      manifest.files[name] = await fingerprint(path.join(partial, name));
      options.onProgress?.({ stage: "hashing", done: index + 1, total: names.length });
    }
    writeFileSync(path.join(partial, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    putInPlace(partial, out);
    return manifest;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  } finally {
    opened.close();
  }
}

/** @throws MAGDI_BAD_CONFIG for a source whose dtypes cannot be compared */
function assertMeasurable(base: BaseModel): void {
  if (base.textFiles.has("tokenizer.json")) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--dtype: auto measures on texts, and ${base.source} has no tokenizer; name a dtype`,
  );
}

/** Removes the other dtypes' files, and them from `written`. */
function keepOnly(dtype: Dtype, written: Written[], folder: string): void {
  for (const { manifest } of written.filter((other) => other.dtype !== dtype)) {
    for (const name of [manifest.engine, manifest.model, ...manifest.data]) rmSync(path.join(folder, name));
  }
  written.splice(0, written.length, ...written.filter((other) => other.dtype === dtype));
}

/** What errors of rounding are made up for by; null where nothing is rounded so, and without texts. */
async function layerInputs(
  base: BaseModel,
  textFolder: string,
  dtype: Dtype,
  { threads = usableProcessors() }: ImportOptions,
): Promise<LayerInputs | null> {
  const compensated = [...base.tensors].some(
    ([name, tensor]) => name.includes(".layers.") && isCompensated(tensor, dtype),
  );
  if (!compensated || !base.textFiles.has("tokenizer.json")) return null;
  return LayerInputs.open(base, await calibrationTokens(textFolder), threads);
}

/** The float32 export that others are balanced and measured by: the student's own where it is written already, else
 * one for the time being, made when it is first asked for. */
class References {
  readonly #base: BaseModel;
  readonly #partial: string;
  readonly #written: readonly Written[];
  readonly #options: ImportOptions;
  #own: Written | null = null;

  constructor(base: BaseModel, partial: string, written: readonly Written[], options: ImportOptions) {
    this.#base = base;
    this.#partial = partial;
    this.#written = written;
    this.#options = options;
  }

  get #folder(): string {
    return path.join(this.#partial, ".reference");
  }

  async float32(): Promise<Written> {
    const written = this.#written.find(({ dtype }) => dtype === "fp32");
    if (written !== undefined) return written;
    this.#own ??= await writeDtype(this.#base, this.#folder, "fp32", this.#options);
    return this.#own;
  }

  /** The base with its inputs balanced; as it is where it has no tokenizer to read texts with. */
  async balanced(): Promise<BaseModel> {
    if (!this.#base.textFiles.has("tokenizer.json")) return this.#base;
    const { load, engineGraph } = await this.float32();
    const maxima = await inputMaxima(this.#base.config, {
      textFolder: this.#partial,
      graphFolder: path.dirname(engineGraph),
      load,
      threads: this.#options.threads ?? usableProcessors(),
      onProgress: (done, total) =>
        this.#options.onProgress?.({ stage: "reading calibration texts", done, total }),
    });
    return smoothed(this.#base, maxima);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function measureAll(
  base: BaseModel,
  references: References,
  partial: string,
  written: readonly Written[],
  options: ImportOptions,
): Promise<ReadonlyMap<Dtype, Quality>> {
  if (options.measure === undefined || !base.textFiles.has("tokenizer.json")) return new Map();
  return options.measure(partial, base, await references.float32(), written);
}
