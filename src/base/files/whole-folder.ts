// A folder that appears whole or not at all: it is written beside its place and renamed. It does not know what the
// folder holds.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { writing } from "./disk-refusal.ts";
import { syncFolder } from "./whole-file.ts";

/** Where this process writes a folder before it gets its name; others may be writing to the same place. */
export const partialPath = (out: string): string => `${out}.${process.pid}.partial`;

/** Makes that folder anew, and removes those that processes which are no more left there. */
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

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // sends nothing
    return true;
  } catch (error) {
    // Another user's process may not be asked.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/**
 * Has `write` fill a folder of files that it flushes, and puts it in the place of `out`.
 * @throws MAGDI_NOT_WRITTEN, and whatever `write` throws: nothing is left beside `out`, and what was there stays
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

/** After a replacement that was killed between its two renames, what was there comes back. */
export function restoreReplaced(out: string): void {
  if (!existsSync(out) && existsSync(`${out}.replaced`)) renameSync(`${out}.replaced`, out);
}

/** Renames the finished folder to its place; what was there goes only when the new one is in, and its name on the disk. */
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
