// Finds the student and the adapter of a training run where the run's own folder was named.

import { existsSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { MANIFEST_FILE } from "../student/manifest.ts";

/**
 * RUN/student where `folder` is a training run, else `folder` itself.
 * @throws MAGDI_FILE_MISSING for a run without a student, with the command that makes it
 */
export async function studentFolder(folder: string): Promise<string> {
  const run = await runFolders(folder, MANIFEST_FILE);
  if (run === null) return folder;
  if (existsSync(path.join(run.student, MANIFEST_FILE))) return run.student;
  throw new MagdiError(
    "MAGDI_FILE_MISSING",
    `${folder}: expected a student in this training run, found none; go on with the run (magdi train --resume ${folder}), or make it of the best adapter so far: magdi export --adapter ${folder} --base SOURCE --out ${run.student}`,
  );
}

/** RUN/best where `folder` is a training run that has one, else `folder` itself. */
export async function adapterFolder(folder: string): Promise<string> {
  const run = await runFolders(folder, "adapter_config.json");
  return run !== null && existsSync(run.adapter) ? run.adapter : folder;
}

/** Null unless `folder` has the settings of a run, and is not itself what is looked for. */
async function runFolders(
  folder: string,
  unless: string,
): Promise<{ readonly student: string; readonly adapter: string } | null> {
  // Most folders are none: what trains is loaded only for one that may be.
  if (existsSync(path.join(folder, unless)) || !existsSync(path.join(folder, "settings.json"))) return null;
  const { BEST_FOLDER, STUDENT_FOLDER } = await import("../train/run/run-files.ts");
  return { student: path.join(folder, STUDENT_FOLDER), adapter: path.join(folder, BEST_FOLDER) };
}
