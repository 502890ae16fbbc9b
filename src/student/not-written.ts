// What becomes of it when the file system refuses to take a student: one error that names the place and what to do. It
// knows no files.

import path from "node:path";
import { MagdiError } from "../errors.ts";

/** Calls that a source is not read by. */
const WRITING = new Set(["mkdir", "write", "fsync", "ftruncate"]);

/** `error` as MAGDI_NOT_WRITTEN if the file system refused something at or below one of the places, the first of
 * which is named; any other as it is. */
export function asNotWritten(error: unknown, places: readonly [string, ...string[]]): unknown {
  if (!(error instanceof Error && "code" in error && "syscall" in error)) return error;
  const at = "path" in error ? String(error.path) : null;
  const ours = places.some((place) => at === place || at?.startsWith(place + path.sep));
  if (!ours && !WRITING.has(String(error.syscall))) return error;
  return new MagdiError(
    "MAGDI_NOT_WRITTEN",
    `${places[0]}: cannot be written (${error.message}); what was there before is untouched: make room or give leave, then run it again`,
    { cause: error },
  );
}
