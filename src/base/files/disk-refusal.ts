// What becomes of it when the file system refuses to take what is written: one error that names the place and what to do.
// It knows no files.

import path from "node:path";
import { MagdiError } from "../errors.ts";

/** For what belongs to a training run. */
const RESUME = "what was written before is untouched: make room or give leave, then resume";
/** For what is written whole or not at all. */
const AGAIN = "what was there before is untouched: make room or give leave, then run it again";
/** For what lies in the system's folder for files of the time being. */
export const OTHER_SCRATCH = "make room there, or name another folder in TMPDIR";

/** Calls that a source is not read by. */
const WRITING_CALLS = new Set(["mkdir", "write", "fsync", "ftruncate"]);

/** Runs what writes at `place`. @throws MAGDI_NOT_WRITTEN; what is no refusal of the file system passes */
export function writing<T>(place: string, write: () => T, remedy = RESUME): T {
  try {
    return write();
  } catch (error) {
    throw isOfTheSystem(error) ? notWritten(place, error, remedy) : error;
  }
}

/** The same of what takes its time. */
export async function writingMeanwhile<T>(
  place: string,
  write: () => Promise<T>,
  remedy = RESUME,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw isOfTheSystem(error) ? notWritten(place, error, remedy) : error;
  }
}

/**
 * Of work that reads files too: `error` as MAGDI_NOT_WRITTEN if the file system refused something at or below one of
 * the places, the first of which is named; any other as it is.
 */
export function asNotWritten(error: unknown, places: readonly [string, ...string[]]): unknown {
  if (!isOfTheSystem(error)) return error;
  const { path: at } = error;
  const ours = places.some((place) => at === place || at?.startsWith(place + path.sep));
  return ours || WRITING_CALLS.has(error.syscall) ? notWritten(places[0], error, AGAIN) : error;
}

function isOfTheSystem(
  error: unknown,
): error is Error & { readonly syscall: string; readonly path?: string } {
  return error instanceof Error && "code" in error && "syscall" in error && typeof error.syscall === "string";
}

function notWritten(place: string, cause: Error, remedy: string): MagdiError {
  return new MagdiError("MAGDI_NOT_WRITTEN", `${place}: cannot be written (${cause.message}); ${remedy}`, {
    cause,
  });
}
