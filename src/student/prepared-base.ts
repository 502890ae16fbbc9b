// A base made ready to be written in whatever format: located, opened, an adapter merged, its vocabulary cut, its texts
// checked, and where it comes from.

import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import type { BaseModel } from "./base-model.ts";
import { type Provenance, readManifest, studentName, type Training } from "./manifest.ts";
import { type BaseLocation, isStudent, locateBase, openCheckedBase } from "./open-base.ts";
import { type VocabularyOptions, withSmallerVocabulary } from "./smaller-vocabulary.ts";
import { checkTexts } from "./text-check.ts";
import { countParameters } from "./write-dtype.ts";

/** A base with trained weights merged in. */
export interface AdaptedBase {
  readonly base: BaseModel;
  /** The paper's level of distillation; null when it is not known. */
  readonly level: number | null;
  readonly training: Training;
}

export interface PreparationOptions extends BaseLocation {
  /** Where it will be written: an absolute path. */
  readonly out: string;
  /** Default: the output's name, without .gguf. */
  readonly name?: string;
  /** Where the base comes from, for the model card. Default: the source's file name. */
  readonly origin?: string;
  /** Changes the base before it is written. The source is closed afterwards. */
  readonly adapt?: (base: BaseModel) => Promise<AdaptedBase>;
  /** Keeps the tokens that texts need, after `adapt`. Default: all tokens. */
  readonly vocabulary?: VocabularyOptions;
}

export interface PreparedBase {
  readonly base: BaseModel;
  /** Where it was read from: a folder or a file. */
  readonly sourcePath: string;
  readonly provenance: Provenance;
}

/** Prepares the base for `work`, and closes it afterwards.
 * @throws as openCheckedBase, withSmallerVocabulary, checkTexts, and what `adapt` and `work` throw */
export async function withPreparedBase<T>(
  options: PreparationOptions,
  work: (prepared: PreparedBase) => Promise<T>,
): Promise<T> {
  const name = options.name ?? path.basename(options.out).replace(/\.gguf$/i, "");
  if (!studentName.safeParse(name).success) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--name: expected 1 to 200 characters without control characters, found ${JSON.stringify(name).slice(0, 100)}`,
    );
  }
  const source = await locateBase(options);
  const opened = await openCheckedBase(source.path, options.onProgress);
  try {
    const adapted = await options.adapt?.(opened);
    const whole = adapted?.base ?? opened;
    const cut =
      options.vocabulary === undefined ? null : await withSmallerVocabulary(whole, options.vocabulary);
    const base = cut?.base ?? whole;
    const textNotes = await checkTexts(base);
    // Writing a student anew converts its format, so what its own manifest says is kept.
    const parent = isStudent(source.path) ? readManifest(source.path) : null;
    const training = adapted?.training ?? parent?.training;
    const notes = [...new Set([...(parent?.notes ?? []), ...(base.notes ?? []), ...textNotes])];
    const vocabulary = cut?.vocabulary ?? parent?.vocabulary;
    return await work({
      base,
      sourcePath: source.path,
      provenance: {
        name,
        base: options.origin ?? parent?.base ?? source.name,
        family: String(base.configJson.model_type),
        parameters: countParameters(base),
        contextLength: base.config.positions,
        licence: base.licence,
        level: adapted?.level ?? parent?.level ?? null,
        tasks: parent?.tasks ?? [],
        ...(training === undefined ? {} : { training }),
        ...(notes.length === 0 ? {} : { notes }),
        ...(vocabulary === undefined ? {} : { vocabulary }),
      },
    });
  } finally {
    opened.close();
  }
}
