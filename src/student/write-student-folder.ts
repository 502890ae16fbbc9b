// Import: converts a base model to a student folder, which is written beside its place and renamed when it is complete.

import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { syncFile, writeWholeFile } from "../base/files/whole-file.ts";
import { makePartial, partialPath, putInPlace, restoreReplaced } from "../base/files/whole-folder.ts";
import { writingMeanwhile } from "../base/files/write-errors.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
import type { BaseModel } from "./base-model.ts";
import { calibrationTokens } from "./calibration.ts";
import { type Dtype, hasFourBits } from "./dtype.ts";
import { chooseDtype } from "./dtype-choice.ts";
import { fingerprint } from "./file-check.ts";
import { Float32Reference } from "./float32-reference.ts";
import { mixFourBits } from "./four-bit-mix.ts";
import { LayerInputs } from "./gptq-inputs.ts";
import {
  type Choice,
  MANIFEST_FILE,
  type Manifest,
  type Mixed,
  type Quality,
  type StepTimes,
} from "./manifest.ts";
import { modelCard } from "./model-card.ts";
import { isStudent } from "./open-base.ts";
import { type PreparationOptions, type PreparedBase, withPreparedBase } from "./prepared-base.ts";
import type { MeasuredGraph, QualityMeter } from "./quality-meter.ts";
import { isCompensated, isRoundedToFour } from "./stored-linear.ts";
import { configFor, keepOnly, type Written, writeDtype } from "./write-dtype.ts";

export interface ImportOptions extends PreparationOptions {
  readonly dtypes: readonly Dtype[];
  /** For calibration and measurement. Default: one for each usable processor. */
  readonly threads?: number;
  /** Replace an existing student folder. */
  readonly force?: boolean;
  /** Opens what measures every dtype against a float32 export. Default: none, and the manifest says null. */
  readonly measure?: (folder: string, base: BaseModel, reference: MeasuredGraph) => Promise<QualityMeter>;
  /** Times every dtype; then only the one that chooseDtype picks is kept, and q4 may be a mix. Needs `measure`. */
  readonly time?: (
    base: BaseModel,
    dtypes: readonly MeasuredGraph[],
  ) => Promise<ReadonlyMap<Dtype, StepTimes>>;
  /** With `time`: bytes that the weights may take. Default: any. */
  readonly maxBytes?: number;
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

/** Imports one base model. Returns the manifest that was written.
 * @throws MagdiError, MAGDI_NOT_WRITTEN when the disk is full, read-only or not ours; nothing is left behind but the
 * folder of an import that was killed, which the next one of the same name removes. */
export async function importStudent(options: ImportOptions): Promise<Manifest> {
  const out = path.resolve(options.out);
  return writingMeanwhile(out, () => writeStudent(out, options));
}

async function writeStudent(out: string, options: ImportOptions): Promise<Manifest> {
  assertFree(out, options.force ?? false);
  return withPreparedBase({ ...options, out }, (prepared) => writePrepared(prepared, out, options));
}

async function writePrepared(
  { base, provenance }: PreparedBase,
  out: string,
  options: ImportOptions,
): Promise<Manifest> {
  if (options.time !== undefined) assertMeasurable(base);
  const partial = partialPath(out);
  try {
    makePartial(out);
    for (const [name, text] of base.textFiles) writeFileSync(path.join(partial, name), text);
    const written: Written[] = [];
    const reference = new Float32Reference(base, partial, written, options);
    for (const dtype of options.dtypes) {
      const inputs = await layerInputs(base, partial, dtype, options);
      try {
        written.push(await writeDtype(base, partial, dtype, { ...options, inputs }));
      } finally {
        inputs?.close();
      }
    }
    const { quality, mixed } = await measureAll(base, reference, partial, written, options);
    const choice = await choose(base, written, quality, mixed, options);
    reference.remove();
    if (choice !== null) keepOnly(choice.dtype, written, partial);
    writeFileSync(path.join(partial, "config.json"), configFor(base, written));
    writeFileSync(
      path.join(partial, "generation_config.json"),
      `${JSON.stringify(base.generationConfig, null, 2)}\n`,
    );
    const manifest: Manifest = {
      format: 1,
      ...provenance,
      ...withNotes([...(provenance.notes ?? []), ...roundingNotes(base, written, choice)]),
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
      syncFile(path.join(partial, name));
      manifest.files[name] = await fingerprint(path.join(partial, name));
      options.onProgress?.({ stage: "hashing", done: index + 1, total: names.length });
    }
    writeWholeFile(path.join(partial, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    // Another process may have written there meanwhile.
    assertFree(out, options.force ?? false);
    putInPlace(partial, out);
    return manifest;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
}

const withNotes = (notes: readonly string[]): { notes?: string[] } =>
  notes.length === 0 ? {} : { notes: [...notes] };

/** What dtypes in 4 bits lose of a source that is quantised more finely, unless the import chose what to round. */
function roundingNotes(base: BaseModel, written: readonly Written[], choice: Choice | null): string[] {
  const dtypes = written.map(({ dtype }) => dtype).filter(hasFourBits);
  if (choice !== null || dtypes.length === 0) return [];
  const rounded = [...base.tensors].filter(
    ([name, tensor]) => name.includes(".layers.") && tensor.sourceBits !== null && isRoundedToFour(tensor),
  );
  const count = rounded.reduce((sum, [, { shape }]) => sum + (shape[0] ?? 1) * (shape[1] ?? 1), 0);
  if (count === 0) return [];
  return [
    `In ${dtypes.join(" and ")} ${(count / 1e6).toFixed(1)} million weights are rounded to 4 bits that the source stores in other grids, mostly finer ones; --dtype auto finds which of them need 8 bits.`,
  ];
}

/** @throws MAGDI_BAD_CONFIG for a source whose dtypes cannot be compared */
function assertMeasurable(base: BaseModel): void {
  if (base.textFiles.has("tokenizer.json")) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--dtype: auto measures on texts, and ${base.source} has no tokenizer; name a dtype`,
  );
}

/** For GPTQ; null when no tensor is quantised so, or without a tokenizer for the calibration texts. */
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
  return LayerInputs.open(base, await calibrationTokens(textFolder, base.config), threads);
}

interface Measured {
  readonly quality: ReadonlyMap<Dtype, Quality>;
  readonly mixed: Mixed | null;
}

/** Measures what was written. Where one dtype is to be chosen, q4 is replaced by a mix first, if it needs one. */
async function measureAll(
  base: BaseModel,
  reference: Float32Reference,
  partial: string,
  written: Written[],
  options: ImportOptions,
): Promise<Measured> {
  const quality = new Map<Dtype, Quality>();
  if (options.measure === undefined || !base.textFiles.has("tokenizer.json")) return { quality, mixed: null };
  const meter = await options.measure(partial, base, await reference.float32());
  const [coarse, fine] = ["q4", "q8"].map((name) => written.find(({ dtype }) => dtype === name));
  let mixed: Mixed | null = null;
  if (options.time !== undefined && coarse !== undefined && fine !== undefined) {
    const found = await mixFourBits(coarse, fine, { base, folder: partial, meter, ...options });
    written[written.indexOf(coarse)] = found.written;
    quality.set(coarse.dtype, found.quality);
    mixed = found.mixed;
  }
  for (const one of written) {
    if (!quality.has(one.dtype)) quality.set(one.dtype, await meter.qualityOf(one));
  }
  return { quality, mixed };
}

/** Null where all dtypes are kept. */
async function choose(
  base: BaseModel,
  written: readonly Written[],
  quality: ReadonlyMap<Dtype, Quality>,
  mixed: Mixed | null,
  { time, maxBytes = Number.POSITIVE_INFINITY }: ImportOptions,
): Promise<Choice | null> {
  if (time === undefined) return null;
  const bytesOf = new Map(written.map(({ dtype, dataBytes }) => [dtype, dataBytes]));
  const fits = (dtype: Dtype): boolean => (bytesOf.get(dtype) ?? 0) <= maxBytes;
  const choice = chooseDtype(quality, await time(base, written), fits);
  return mixed === null ? choice : { ...choice, mixed };
}
