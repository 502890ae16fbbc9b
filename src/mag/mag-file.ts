// Reads MAGs from JSON Lines files.

import { MagdiError } from "../base/errors.ts";
import { checked, isObject } from "../base/files/json-file.ts";
import { readJsonRecords } from "../base/files/json-records.ts";
import { holdsOutputs } from "./import-formats.ts";
import { type Mag, magSchema, type Use } from "./mag-schema.ts";

interface ReadMagsOptions {
  /** A record of another use is an error: a student is never trained on evaluation data. Null: any use. */
  readonly use: Use | null;
}

/**
 * The MAGs of `path`, as a stream.
 * @throws MAGDI_FILE_MISSING; MAGDI_BAD_FILE naming file, line and field
 * @example for await (const mag of readMags("mags.jsonl", { use: "train" })) console.log(mag.id);
 */
export async function* readMags(path: string, options: ReadMagsOptions): AsyncGenerator<Mag> {
  for await (const { mag } of readMagRecords(path, options)) yield mag;
}

/** The same, with the file and line of each. */
export async function* readMagRecords(
  path: string,
  { use }: ReadMagsOptions,
): AsyncGenerator<{ readonly where: string; readonly mag: Mag }> {
  const lineOf = new Map<string, string>();
  for await (const { where, value } of readJsonRecords(path)) {
    if (isObject(value) && !("nodes" in value) && holdsOutputs(value)) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${where}: expected a MAG, found agents' outputs; convert the file first: magdi train import-mags ${path} --out mags.jsonl`,
      );
    }
    const mag = checked(magSchema, value, where);
    const before = lineOf.get(mag.id);
    if (before !== undefined) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${where}: id: expected each id once, found ${mag.id} in ${before} too`,
      );
    }
    lineOf.set(mag.id, where);
    if (use !== null && mag.source.use !== use) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${where}: source.use: expected ${use}, found ${mag.source.use} (${mag.id}); import the file again without it`,
      );
    }
    yield { where, mag };
  }
}

/** All MAGs of several files, in order. Ids are unique only within a file. */
export async function loadMags(paths: readonly string[], options: ReadMagsOptions): Promise<Mag[]> {
  const mags: Mag[] = [];
  for (const path of paths) for await (const mag of readMags(path, options)) mags.push(mag);
  return mags;
}
