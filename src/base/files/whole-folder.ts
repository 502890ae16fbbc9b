// The place of a folder that appears whole or not at all: it is written beside it and renamed. It does not know what
// the folder holds.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { syncFolder } from "./sync-folder.ts";

/** Where a folder is written before it gets its name. */
export const partialPath = (out: string): string => `${out}.partial`;

/** Where this process writes one of several that may be written to the same place at once. */
export const ownPartialPath = (out: string): string => partialPath(`${out}.${process.pid}`);

/** Makes that folder anew, and removes those that processes which are no more left there. */
export function makeOwnPartial(out: string): string {
  const own = ownPartialPath(out);
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

/** After a replacement that was killed between its two renames, what was there comes back. */
export function restoreReplaced(out: string): void {
  if (!existsSync(out) && existsSync(`${out}.replaced`)) renameSync(`${out}.replaced`, out);
}

/** Renames the finished folder to its place; what was there goes only when the new one is in, and its name on the disk. */
export function putInPlace(partial: string, out: string): void {
  const replaced = `${out}.replaced`;
  syncWherePossible(partial);
  rmSync(replaced, { recursive: true, force: true });
  if (existsSync(out)) renameSync(out, replaced);
  try {
    renameSync(partial, out);
  } catch (error) {
    if (existsSync(replaced)) renameSync(replaced, out);
    throw error;
  }
  syncWherePossible(path.dirname(out));
  rmSync(replaced, { recursive: true, force: true });
}

/** What file systems answer that have no such thing as flushing a folder. */
const NO_SYNC = ["EACCES", "EINVAL", "EISDIR", "ENOTSUP", "EPERM"];

function syncWherePossible(folder: string): void {
  try {
    syncFolder(folder);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && NO_SYNC.includes(String(error.code)))) throw error;
  }
}
