// Writes a base as a Hugging Face folder, for Transformers, vLLM and their kind: config.json, safetensors, tokenizer files
// and a card.

import { readdirSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { syncFile } from "../base/files/whole-file.ts";
import { makePartial, partialPath, putInPlace, restoreReplaced } from "../base/files/whole-folder.ts";
import { writingMeanwhile } from "../base/files/write-errors.ts";
import { expectedTensors } from "../nn/decoder-config.ts";
import { writeSafetensors } from "../tensor/safetensors-writer.ts";
import { tensorByteLength } from "../tensor/stored-type.ts";
import type { TensorData } from "../tensor/tensor-data.ts";
import type { BaseModel } from "./base-model.ts";
import { huggingFaceConfig } from "./hugging-face-config.ts";
import { huggingFaceCard, type PortableModel } from "./model-card.ts";
import type { ImportProgress } from "./open-base.ts";
import { ownFloat, type PortableFloat, portableData, widthNotes } from "./portable-weights.ts";
import { type PreparationOptions, type PreparedBase, withPreparedBase } from "./prepared-base.ts";

/** By the name that --dtype has. */
const TYPES = { fp32: "F32", fp16: "F16", bf16: "BF16" } as const satisfies Record<string, PortableFloat>;
export type HuggingFaceDtype = keyof typeof TYPES;
export const HUGGING_FACE_DTYPES = Object.keys(TYPES) as HuggingFaceDtype[]; // its keys are no others

/** Hubs and file systems take larger files, tools that read a model in parts are glad of smaller ones. */
const SHARD_BYTES = 5e9;

export interface HuggingFaceOptions extends PreparationOptions {
  /** Default: the source's own. */
  readonly dtype?: HuggingFaceDtype;
  /** Replace an existing Hugging Face folder. */
  readonly force?: boolean;
  /** Default: 5 GB. */
  readonly shardBytes?: number;
}

/**
 * Writes the folder whole or not at all, one tensor in memory at a time.
 * @throws MagdiError, MAGDI_UNSUPPORTED for a quantised student as float32, MAGDI_BAD_CONFIG for a folder that is there,
 * MAGDI_NOT_WRITTEN
 */
export async function writeHuggingFaceFolder(options: HuggingFaceOptions): Promise<PortableModel> {
  const out = path.resolve(options.out);
  assertFree(out, options.force ?? false);
  return writingMeanwhile(out, () =>
    withPreparedBase({ ...options, out }, async (prepared) => {
      assertOther(prepared.sourcePath, out);
      const partial = makePartial(out);
      try {
        const written = writeFiles(prepared, partial, options);
        // Another process may have written there meanwhile.
        assertFree(out, options.force ?? false);
        putInPlace(partial, out);
        return written;
      } catch (error) {
        rmSync(partialPath(out), { recursive: true, force: true });
        throw error;
      }
    }),
  );
}

function writeFiles(
  prepared: PreparedBase,
  folder: string,
  { dtype, shardBytes = SHARD_BYTES, onProgress }: HuggingFaceOptions,
): PortableModel {
  const { base, provenance } = prepared;
  const type = dtype === undefined ? ownFloat(prepared) : TYPES[dtype];
  const name = HUGGING_FACE_DTYPES.find((each) => TYPES[each] === type) ?? "fp32";
  const notes = [...(provenance.notes ?? []), ...widthNotes(prepared, type)];
  const written = { provenance: notes.length === 0 ? provenance : { ...provenance, notes }, dtype: name };
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const texts = new Map([
    ...base.textFiles,
    ["config.json", json(huggingFaceConfig(base, type))],
    ["README.md", huggingFaceCard(written)],
    ...(Object.keys(base.generationConfig).length === 0
      ? []
      : [["generation_config.json", json(base.generationConfig)] as const]),
  ]);
  writeWeights(base, folder, type, shardBytes, (progress) =>
    onProgress?.({ ...progress, stage: `writing ${name}` }),
  );
  for (const [file, text] of texts) {
    writeFileSync(path.join(folder, file), text);
    syncFile(path.join(folder, file));
  }
  return written;
}

/** model.safetensors, or shards of it and their index, as Transformers names them. */
function writeWeights(
  base: BaseModel,
  folder: string,
  type: PortableFloat,
  shardBytes: number,
  onProgress: (progress: Omit<ImportProgress, "stage">) => void,
): void {
  const tensors = [...expectedTensors(base.config)].map(
    ([name, shape]): TensorData => ({ name, type, shape, data: () => portableData(base, name, type) }),
  );
  const shards = shardsOf(tensors, shardBytes);
  const nameOf = (index: number): string => {
    const digits = (value: number): string => String(value).padStart(5, "0");
    if (shards.length === 1) return "model.safetensors";
    return `model-${digits(index + 1)}-of-${digits(shards.length)}.safetensors`;
  };
  let done = 0;
  for (const [index, shard] of shards.entries()) {
    // Transformers reads no file that does not name its framework.
    writeSafetensors(path.join(folder, nameOf(index)), shard, { format: "pt" }, () =>
      onProgress({ done: ++done, total: tensors.length }),
    );
  }
  if (shards.length === 1) return;
  const map = shards.flatMap((shard, index) => shard.map(({ name }) => [name, nameOf(index)] as const));
  const index = {
    metadata: { total_size: tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0) },
    weight_map: Object.fromEntries(map),
  };
  const file = path.join(folder, "model.safetensors.index.json");
  writeFileSync(file, `${JSON.stringify(index, null, 2)}\n`);
  syncFile(file);
}

const bytesOf = ({ type, shape }: TensorData): number => tensorByteLength(type, shape) ?? 0; // counted when it was checked

/** Tensors in order, a new shard where the next one would not fit. */
function shardsOf(tensors: readonly TensorData[], shardBytes: number): TensorData[][] {
  const shards: TensorData[][] = [[]];
  let size = 0;
  for (const tensor of tensors) {
    const bytes = bytesOf(tensor);
    if (size > 0 && size + bytes > shardBytes) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)?.push(tensor);
    size += bytes;
  }
  return shards;
}

/** Whether a folder holds a model as this file writes it. */
function isHuggingFaceFolder(folder: string): boolean {
  const names = readdirSync(folder);
  return names.includes("config.json") && names.some((name) => /^model.*\.safetensors$/.test(name));
}

/** @throws MAGDI_BAD_CONFIG */
function assertFree(out: string, force: boolean): void {
  restoreReplaced(out);
  const found = statSync(out, { throwIfNoEntry: false });
  if (found === undefined) return;
  const isFolder = found.isDirectory();
  if (isFolder && readdirSync(out).length === 0) return;
  const isModel = isFolder && isHuggingFaceFolder(out);
  if (isModel && force) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    isModel
      ? `--out: ${out} already holds a model; pass --force to replace it`
      : `--out: ${out} exists and is not a Hugging Face folder; name one that does not exist`,
  );
}

/** @throws MAGDI_BAD_CONFIG where the folder to be replaced is the one that is read */
function assertOther(source: string, out: string): void {
  const real = (place: string): string | null => {
    try {
      return realpathSync(place);
    } catch {
      return null;
    }
  };
  if (real(out) === null || real(source) !== real(out)) return;
  throw new MagdiError("MAGDI_BAD_CONFIG", `--out: ${out} is the base itself; name another folder`);
}
