// The place of a folder that appears whole or not at all: it is written beside it and renamed. It does not know what
// the folder holds.

import { existsSync, renameSync, rmSync } from "node:fs";

/** Where a folder is written before it gets its name. */
export const partialPath = (out: string): string => `${out}.partial`;

/** After a replacement that was killed between its two renames, what was there comes back. */
export function restoreReplaced(out: string): void {
  if (!existsSync(out) && existsSync(`${out}.replaced`)) renameSync(`${out}.replaced`, out);
}

/** Renames the finished folder to its place; what was there goes only when the new one is in. */
export function putInPlace(partial: string, out: string): void {
  const replaced = `${out}.replaced`;
  rmSync(replaced, { recursive: true, force: true });
  if (existsSync(out)) renameSync(out, replaced);
  try {
    renameSync(partial, out);
  } catch (error) {
    if (existsSync(replaced)) renameSync(replaced, out);
    throw error;
  }
  rmSync(replaced, { recursive: true, force: true });
}
