// Exports a student from a base and an adapter: merges the adapter in float32 and imports the result as any base. Training
// heads are left out.

import path from "node:path";
import { MagdiError } from "../../base/errors.ts";
import type { BaseModel } from "../../student/base-model.ts";
import { fingerprint } from "../../student/file-check.ts";
import type { Manifest, Training } from "../../student/manifest.ts";
import type { AdaptedBase } from "../../student/prepared-base.ts";
import { type ImportOptions, importStudent } from "../../student/write-student-folder.ts";
import { withAdapterTexts } from "./adapter-texts.ts";
import { baseOfAdapter, locateAdapter, otherBaseNote } from "./locate-adapter.ts";
import { mergedBase } from "./merge.ts";
import { assertNotNoOp, type PeftAdapter, readPeftAdapter } from "./peft-adapter.ts";
import { ADAPTER_TENSORS_FILE, readPeftConfig } from "./peft-config.ts";

export interface MergeOptions extends Pick<ImportOptions, "hub" | "onProgress"> {
  /** A Hugging Face folder, a .gguf file, or, where `hub` is given, a hub id; by default that in the adapter's
   * configuration. */
  readonly base?: string;
  /** A folder in PEFT's format, or, where `hub` is given, a hub id. */
  readonly adapter: string;
  /** The folder whose tokenizer, template and generation_config.json come before the base's. Default: the adapter's. */
  readonly texts?: string;
  /** The paper's level of distillation, 1 to 4; by default that in the adapter's metadata. */
  readonly level?: number;
  /** The training data, for the model card; by default that in the adapter's metadata. */
  readonly data?: string;
  /** The recipe of the training; by default that in the adapter's metadata. */
  readonly recipe?: string;
}

export type ExportOptions = Omit<ImportOptions, "source" | "adapt"> & MergeOptions;

/** Metadata keys in an adapter's tensor file that describe its training. */
export const TRAINING_METADATA = {
  level: "magdi.level",
  recipe: "magdi.recipe",
  data: "magdi.data",
} as const;

const LEVELS = 4;

function levelOf(options: MergeOptions, adapter: PeftAdapter): number | null {
  const stated = adapter.metadata.get(TRAINING_METADATA.level);
  const level = options.level ?? (stated === undefined ? null : Number(stated));
  if (level === null || (Number.isInteger(level) && level >= 1 && level <= LEVELS)) return level;
  throw options.level === undefined
    ? new MagdiError(
        "MAGDI_BAD_FILE",
        `${adapter.source}: ${TRAINING_METADATA.level}: expected 1 to ${LEVELS}, found "${stated}"`,
      )
    : new MagdiError("MAGDI_BAD_CONFIG", `--level: expected 1 to ${LEVELS}, found ${level}`);
}

function trainingOf(options: MergeOptions, adapter: PeftAdapter, sha256: string): Training {
  const { modules, metadata } = adapter;
  const kinds = modules.map(({ module }) => module.slice(module.lastIndexOf(".") + 1));
  return {
    adapter: path.basename(path.resolve(options.adapter)),
    adapterSha256: sha256,
    recipe: options.recipe ?? metadata.get(TRAINING_METADATA.recipe) ?? null,
    data: options.data ?? metadata.get(TRAINING_METADATA.data) ?? null,
    lora: [...new Set(modules.map(({ rank, alpha }) => `rank ${rank}, alpha ${alpha}`))],
    modules: [...new Set(kinds)],
  };
}

/** The base's source, and what merges the adapter into it, for whatever writes the result.
 * @throws MagdiError as readPeftAdapter; MAGDI_BAD_FILE for an adapter that changes nothing. */
export async function mergeOf(options: MergeOptions): Promise<Pick<ImportOptions, "source" | "adapt">> {
  const { base: stated, adapter: named, texts, hub, onProgress } = options;
  const folder = await locateAdapter({
    source: named,
    ...(hub === undefined ? {} : { hub }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  // Before the base is downloaded.
  const config = readPeftConfig(folder);
  const source = stated ?? baseOfAdapter(folder);
  const adapt = async (opened: BaseModel): Promise<AdaptedBase> => {
    const adapter = readPeftAdapter(folder, opened.config);
    assertNotNoOp(adapter);
    const { sha256 } = await fingerprint(path.join(folder, ADAPTER_TENSORS_FILE), { within: folder });
    const base = withAdapterTexts(opened, texts ?? folder);
    const other = otherBaseNote(config, source, opened.configJson._name_or_path);
    const notes = [...(base.notes ?? []), ...config.notes, ...(other === null ? [] : [other])];
    return {
      base: mergedBase({ ...base, notes, close: () => opened.close() }, adapter.modules),
      level: levelOf(options, adapter),
      training: trainingOf(options, adapter, sha256),
    };
  };
  return { source, adapt };
}

/** Writes the student folder, whole or not at all. Returns its manifest.
 * @throws MagdiError as importStudent and mergeOf */
export async function exportStudent(options: ExportOptions): Promise<Manifest> {
  const {
    base: _base,
    adapter: _adapter,
    texts: _texts,
    level: _level,
    data: _data,
    recipe: _recipe,
    ...rest
  } = options;
  return importStudent({ ...rest, ...(await mergeOf(options)) });
}
