// What becomes of it when the file system refuses to take what is written: one error that names the place and what to do.
// It knows no files.

import { MagdiError } from "../errors.ts";

/** For what belongs to a run. */
const RESUME = "what was written before is untouched: make room or give leave, then resume";
/** For what lies in the system's folder for files of the time being. */
export const OTHER_SCRATCH = "make room there, or name another folder in TMPDIR";

/** Runs what writes at `place`. @throws MAGDI_NOT_WRITTEN; what is no refusal of the file system passes */
export function writing<T>(place: string, write: () => T, remedy = RESUME): T {
  try {
    return write();
  } catch (error) {
    throw refusal(place, error, remedy);
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
    throw refusal(place, error, remedy);
  }
}

function refusal(place: string, cause: unknown, remedy: string): unknown {
  if (!(cause instanceof Error && "code" in cause && "syscall" in cause)) return cause;
  return new MagdiError("MAGDI_NOT_WRITTEN", `${place}: cannot be written (${cause.message}); ${remedy}`, {
    cause,
  });
}
