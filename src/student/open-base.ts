// Opens a base model: a Hugging Face folder, a student folder, a GGUF file, or a model on the hub.

import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import type { BaseModel } from "./base-model.ts";
import { FileCheck } from "./file-check.ts";
import { openGgufBase } from "./gguf-base.ts";
import { downloadFromHub, type HubOptions, parseHubId } from "./hub.ts";
import { openHuggingFaceBase } from "./hugging-face-base.ts";
import { MANIFEST_FILE, readManifest } from "./manifest.ts";
import { openStudentBase } from "./student-base.ts";

export interface ImportProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

/** For sources that are not on disk. */
export type Hub = Omit<HubOptions, "onProgress">;

export interface BaseLocation {
  readonly source: string;
  /** Default: nothing is downloaded. */
  readonly hub?: Hub;
  readonly onProgress?: (progress: ImportProgress) => void;
}

/** As openBase; of a student folder all hashes are compared first.
 * @throws as openBase, and MAGDI_BAD_FILE for a student whose files were altered */
export async function openCheckedBase(
  source: string,
  onProgress?: (progress: ImportProgress) => void,
): Promise<BaseModel> {
  if (isStudent(source)) {
    const check = new FileCheck(source, readManifest(source));
    await check.all((done, total) => onProgress?.({ stage: "checking hashes", done, total }));
  }
  return openBase(source);
}

/** Opens a Hugging Face folder, a student folder or a .gguf file. @throws MAGDI_FILE_MISSING when it does not exist. */
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

export const isStudent = (folder: string): boolean => existsSync(path.join(folder, MANIFEST_FILE));

/** The source's path, downloaded if need be, and its name for the model card. A path on disk wins over a hub id of the
 * same name. */
export async function locateBase(
  options: BaseLocation,
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
