// Errors about files, in one wording.

import { MagdiError } from "../base/errors.ts";

/**
 * A MAGDI_BAD_FILE error; all readers use this wording.
 *
 * @example throw badFile("a.gguf", 'tensor "w"', "an offset that is a multiple of 32", 7)
 */
export function badFile(
  path: string,
  where: string,
  expected: string,
  found: string | number | bigint,
  cause?: unknown,
): MagdiError {
  return new MagdiError("MAGDI_BAD_FILE", `${path}: ${where}: expected ${expected}, found ${found}`, {
    cause,
  });
}

export function unsupported(path: string, where: string, reason: string): MagdiError {
  return new MagdiError("MAGDI_UNSUPPORTED", `${path}: ${where}: ${reason}`);
}

/** A name from a file, for a message: quoted, escaped, and cut to 100 characters. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
