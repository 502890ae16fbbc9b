// What becomes of it when the file system refuses to take what is written: one error that names the place, the cause
// and what to do. It knows no files.

import path from "node:path";
import { MagdiError } from "../errors.ts";

/** For what is written whole or not at all. */
const AGAIN = "what was there before is untouched: make room or give leave, then run it again";
/** For what belongs to a training run. */
export const RESUME = "what was written before is untouched: make room or give leave, then resume";
/** For what lies in the system's folder for files of the time being. */
export const OTHER_SCRATCH = "make room there, or name another folder in TMPDIR";

/** Calls that a source is not read by. */
const WRITING_CALLS = new Set(["mkdir", "write", "fsync", "ftruncate"]);

/** MAGDI_NOT_WRITTEN: the file system took no more at a place. */
export class NotWritten extends MagdiError {
  readonly place: string;

  constructor(place: string, cause: Error, remedy: string) {
    super("MAGDI_NOT_WRITTEN", `${place}: cannot be written (${cause.message}); ${remedy}`, { cause });
    this.place = place;
  }
}

/**
 * Runs what writes at `place`, and may read elsewhere. What is refused at the place, below it or beside it under a
 * name that begins with it and a dot is told of the place; any other error passes.
 * @throws MAGDI_NOT_WRITTEN
 */
export function writing<T>(place: string, write: () => T, remedy = AGAIN): T {
  try {
    return write();
  } catch (error) {
    throw toldOf(place, error, remedy);
  }
}

/** The same of what takes its time. */
export async function writingMeanwhile<T>(
  place: string,
  write: () => Promise<T>,
  remedy = AGAIN,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw toldOf(place, error, remedy);
  }
}

function toldOf(place: string, error: unknown, remedy: string): unknown {
  const isOurs = (at = "") => at === place || at.startsWith(place + path.sep) || at.startsWith(`${place}.`);
  if (error instanceof NotWritten) {
    return isOurs(error.place) && error.cause instanceof Error
      ? new NotWritten(place, error.cause, remedy)
      : error;
  }
  if (!isOfTheSystem(error)) return error;
  return isOurs(error.path) || WRITING_CALLS.has(error.syscall)
    ? new NotWritten(place, error, remedy)
    : error;
}

function isOfTheSystem(
  error: unknown,
): error is Error & { readonly syscall: string; readonly path?: string } {
  return error instanceof Error && "code" in error && "syscall" in error && typeof error.syscall === "string";
}
