// Atomic folder replacement: a folder is written under a temporary name and renamed.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { isRunning } from "./running-process.ts";
import { syncFolder } from "./whole-file.ts";
import { writing } from "./write-errors.ts";

/** The temporary name, with this process's id, for others may be writing the same folder. */
export const partialPath = (out: string): string => `${out}.${process.pid}.partial`;

/** Creates that folder empty, and deletes those that dead processes left. */
export function makePartial(out: string): string {
  const own = partialPath(out);
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own, { recursive: true });
  const folder = path.dirname(out);
  const name = path.basename(out);
  for (const entry of readdirSync(folder)) {
    const pid = entry.startsWith(`${name}.`) && /^\.(\d+)\.partial$/.exec(entry.slice(name.length))?.[1];
    if (pid && !isRunning(Number(pid))) rmSync(path.join(folder, entry), { recursive: true, force: true });
  }
  return own;
}

/**
 * Replaces the folder `out` by one that `write` fills with flushed files.
 * @throws MAGDI_NOT_WRITTEN, and what `write` throws, with `out` unchanged
 */
export function writeWholeFolder(out: string, write: (partial: string) => void, remedy?: string): void {
  writing(
    out,
    () => {
      restoreReplaced(out);
      const partial = makePartial(out);
      try {
        write(partial);
        putInPlace(partial, out);
      } catch (error) {
        rmSync(partial, { recursive: true, force: true });
        throw error;
      }
    },
    remedy,
  );
}

/** Restores the old folder after a replacement that was killed between its two renames. */
export function restoreReplaced(out: string): void {
  if (!existsSync(out) && existsSync(`${out}.replaced`)) renameSync(`${out}.replaced`, out);
}

/** Renames the finished folder to `out`; the old one is deleted only when the new name is on disk. */
export function putInPlace(partial: string, out: string): void {
  const replaced = `${out}.replaced`;
  syncFolder(partial);
  rmSync(replaced, { recursive: true, force: true });
  if (existsSync(out)) renameSync(out, replaced);
  try {
    renameSync(partial, out);
  } catch (error) {
    if (existsSync(replaced)) renameSync(replaced, out);
    throw error;
  }
  syncFolder(path.dirname(out));
  rmSync(replaced, { recursive: true, force: true });
}
