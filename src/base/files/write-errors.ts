// Turns failed writes (disk full, read-only, no permission) into one error with the path, the cause and the remedy.

import path from "node:path";
import { MagdiError } from "../errors.ts";

const AGAIN = "what was there before is unchanged: free some space or fix the permissions, then run it again";
/** For the files of a training run. */
export const RESUME =
  "what was written before is unchanged: free some space or fix the permissions, then resume";
/** For the system's temporary folder. */
export const OTHER_SCRATCH = "free some space there, or name another folder in TMPDIR";

/** System calls that only writing makes. */
const WRITING_CALLS = new Set(["mkdir", "write", "fsync", "ftruncate"]);

export class NotWritten extends MagdiError {
  readonly place: string;

  constructor(place: string, cause: Error, remedy: string) {
    super("MAGDI_NOT_WRITTEN", `${place}: cannot be written (${cause.message}); ${remedy}`, { cause });
    this.place = place;
  }
}

/**
 * Runs `write`. A failed write at `place`, below it, or in a sibling named `place.…` becomes one error that names
 * `place`; other errors, such as those of reading elsewhere, are rethrown.
 * @throws MAGDI_NOT_WRITTEN
 */
export function writing<T>(place: string, write: () => T, remedy = AGAIN): T {
  try {
    return write();
  } catch (error) {
    throw asNotWritten(place, error, remedy);
  }
}

/** The same for asynchronous work. */
export async function writingMeanwhile<T>(
  place: string,
  write: () => Promise<T>,
  remedy = AGAIN,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw asNotWritten(place, error, remedy);
  }
}

function asNotWritten(place: string, error: unknown, remedy: string): unknown {
  const isOurs = (at = "") => at === place || at.startsWith(place + path.sep) || at.startsWith(`${place}.`);
  if (error instanceof NotWritten) {
    return isOurs(error.place) && error.cause instanceof Error
      ? new NotWritten(place, error.cause, remedy)
      : error;
  }
  if (!isSystemError(error)) return error;
  return isOurs(error.path) || WRITING_CALLS.has(error.syscall)
    ? new NotWritten(place, error, remedy)
    : error;
}

function isSystemError(
  error: unknown,
): error is Error & { readonly syscall: string; readonly path?: string } {
  return error instanceof Error && "code" in error && "syscall" in error && typeof error.syscall === "string";
}
