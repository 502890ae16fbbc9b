// A checkpoint: the adapter in PEFT's format, the heads, the optimiser's state and the progress of the run at one optimiser
// step. Random draws depend on the seed and the step only, so that no generator's state is needed.

import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { checked, readJson } from "../../base/files/json-file.ts";
import { writeWholeFile } from "../../base/files/whole-file.ts";
import { restoreReplaced, writeWholeFolder } from "../../base/files/whole-folder.ts";
import { RESUME, writing } from "../../base/files/write-errors.ts";
import { openSafetensors, writeSafetensors } from "../../tensor/safetensors.ts";
import { type Shape, shapeMismatches } from "../../tensor/shape-mismatch.ts";
import { closingOnError } from "../../tensor/tensor-file.ts";
import { HEADS_FILE, writeHeads } from "../adapter/heads-file.ts";
import { type AdapterToWrite, writePeftFiles } from "../adapter/peft-adapter.ts";
import { ADAPTER_TENSORS_FILE } from "../adapter/peft-config.ts";
import type { OptimiserState } from "../step/optimiser.ts";

const STATE_FILE = "state.json";
const OPTIMISER_FILE = "optimiser.safetensors";
const FORMAT = 2;

const stateSchema = z.strictObject({
  format: z.literal(FORMAT),
  /** Optimiser steps done: the next one, the order of the data and all seeds follow from it. */
  step: z.int().min(0),
  /** The step after which the last validation was done; -1 before the first. */
  validatedStep: z.int().min(-1),
  best: z.object({ step: z.int(), loss: z.number() }).nullable(),
  validationsWithoutBetter: z.int().min(0),
  /** Time spent and real tokens seen. */
  seconds: z.number(),
  tokens: z.number(),
  finished: z.boolean(),
  /** Of what the run was begun with. */
  settingsHash: z.string(),
  dataHash: z.string(),
  baseHash: z.string(),
  /** Of the adapter that it trains on; null where it began a new one. */
  initAdapterHash: z.string().nullable(),
});
/** What a run was begun with, and goes on with only if it is the same. */
export type RunOrigin = Pick<
  z.infer<typeof stateSchema>,
  "settingsHash" | "dataHash" | "baseHash" | "initAdapterHash"
>;
export type RunState = Omit<z.infer<typeof stateSchema>, "format">;

export interface Checkpoint {
  readonly state: RunState;
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly optimiser: OptimiserState;
}

/** What the adapter's files say of themselves. */
export interface AdapterDescription extends Omit<AdapterToWrite, "tensors"> {
  /** The base's tokenizer and chat template by file name, for those who load the adapter as TRL and axolotl save theirs. */
  readonly textFiles?: ReadonlyMap<string, string>;
}

/** Whether a parameter is a training head's, and no adapter's. */
export const isHead = (key: string): boolean => !key.startsWith("base_model.model.");

/** Writes the folder beside its place and renames it: it is the old checkpoint or the whole new one.
 * @throws MAGDI_NOT_WRITTEN when the disk is full, read-only or not ours; the old checkpoint stays. */
export function writeCheckpoint(
  folder: string,
  { state, parameters, optimiser }: Checkpoint,
  shapes: ReadonlyMap<string, Shape>,
  adapter: AdapterDescription,
): void {
  const shapeOf = (key: string): Shape => shapes.get(key) ?? [];
  const tensors = new Map([...parameters].map(([key, data]) => [key, { shape: shapeOf(key), data }]));
  const memory = (["mean", "square"] as const).flatMap((kind) =>
    [...optimiser[kind]].map(([key, data]) => ({
      name: `${kind}.${key}`,
      type: "F32" as const,
      shape: shapeOf(key),
      data,
    })),
  );
  const write = (partial: string): void => {
    writePeftFiles(partial, { ...adapter, tensors });
    for (const [name, text] of adapter.textFiles ?? []) writeWholeFile(path.join(partial, name), text);
    const heads = new Map([...tensors].filter(([key]) => isHead(key)));
    if (heads.size > 0) writeHeads(path.join(partial, HEADS_FILE), heads);
    writeSafetensors(path.join(partial, OPTIMISER_FILE), memory);
    const text = `${JSON.stringify({ format: FORMAT, ...state }, null, 2)}\n`;
    writeWholeFile(path.join(partial, STATE_FILE), text);
  };
  writeWholeFolder(folder, write, RESUME);
}

/** Null when the folder has none. @throws MAGDI_BAD_FILE when its parts do not fit the parameters or each other. */
export function readCheckpoint(folder: string, shapes: ReadonlyMap<string, Shape>): Checkpoint | null {
  const state = readRunState(folder);
  if (state === null) return null;
  const adapters = new Map([...shapes].filter(([key]) => !isHead(key)));
  const heads = new Map([...shapes].filter(([key]) => isHead(key)));
  const moments = (kind: string): [string, Shape][] =>
    [...shapes].map(([key, shape]) => [`${kind}.${key}`, shape]);
  const memory = readExactly(
    path.join(folder, OPTIMISER_FILE),
    new Map([...moments("mean"), ...moments("square")]),
  );
  const memoryOf = (kind: string) =>
    new Map([...shapes.keys()].map((key) => [key, memory.get(`${kind}.${key}`)!]));
  return {
    state,
    parameters: new Map([
      ...readExactly(path.join(folder, ADAPTER_TENSORS_FILE), adapters),
      ...(heads.size > 0 ? readExactly(path.join(folder, HEADS_FILE), heads) : []),
    ]),
    optimiser: { step: state.step, mean: memoryOf("mean"), square: memoryOf("square") },
  };
}

/** Where a run stands; null when the folder has no checkpoint. @throws MAGDI_BAD_FILE, MAGDI_NOT_WRITTEN */
export function readRunState(folder: string): RunState | null {
  writing(folder, () => restoreReplaced(folder), RESUME);
  const file = path.join(folder, STATE_FILE);
  if (!existsSync(file)) return null;
  const { format: _format, ...state } = checked(
    stateSchema,
    readJson(file, "the state of a training run"),
    file,
  );
  return state;
}

/** Every tensor that is expected and no other. */
function readExactly(file: string, expected: ReadonlyMap<string, Shape>): Map<string, Float32Array> {
  const opened = openSafetensors(file);
  return closingOnError(opened, () => {
    const mismatches = shapeMismatches(expected, opened.entries);
    if (mismatches !== "") {
      throw new MagdiError("MAGDI_BAD_FILE", `${file}: other tensors than this run has${mismatches}`);
    }
    const tensors = new Map([...expected.keys()].map((key) => [key, opened.readFloat32(key)]));
    opened.close();
    return tensors;
  });
}
