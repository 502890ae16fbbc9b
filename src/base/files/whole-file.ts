// Files that are the old one or the whole new one, whatever happens while they are written.

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../errors.ts";

/**
 * Writes beside `file` and renames; its folder is made where there is none.
 * @throws MagdiError MAGDI_NOT_WRITTEN: nothing is left beside it, and what was there before is untouched
 */
export function writeWholeFile(file: string, text: string): void {
  const beside = `${file}.${process.pid}.part`;
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(beside, text);
    renameSync(beside, file);
  } catch (cause) {
    if (existsSync(beside)) rmSync(beside);
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MagdiError("MAGDI_NOT_WRITTEN", `${file}: cannot be written (${why})`, { cause });
  }
}
