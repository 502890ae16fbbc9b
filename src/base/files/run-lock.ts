// The lock of a folder that one run at a time may write: a file with the process that holds it. The lock of a process that
// is gone, or whose id belongs to another one by now, holds nobody up.

import {
  closeSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { MagdiError } from "../errors.ts";
import { isRunning, startOf } from "./running-process.ts";
import { writing } from "./write-errors.ts";

interface Holder {
  readonly pid: number;
  /** See startOf. */
  readonly start: string | null;
  /** ISO 8601, for people. */
  readonly since: string;
}

/** Of a lock that is being written: after it, an empty one is of a process that was killed there. */
const WRITTEN_WITHIN_MS = 5000;
/** Others that take the place of the same dead process at the same time. */
const MOST_TRIES = 10;

/**
 * Takes the lock of `folder`, and returns the function that gives it back. `remedy` is said to whoever comes second.
 * @throws MagdiError MAGDI_BAD_CONFIG naming the process that holds it, MAGDI_NOT_WRITTEN
 */
export function lockFolder(folder: string, remedy: string): () => void {
  const file = path.join(folder, "lock");
  const own: Holder = { pid: process.pid, start: startOf(process.pid), since: new Date().toISOString() };
  const text = `${JSON.stringify(own)}\n`;
  return writing(folder, () => {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      if (isCreated(file, text)) return () => giveBack(file, text);
      const found = readIfThere(file);
      if (found === null) continue; // given back meanwhile
      const holder = holderOf(found);
      if (holder === null ? isNew(file) : isHeld(holder)) throw held(folder, holder, remedy);
      removeStale(file, found);
    }
    throw held(folder, null, remedy);
  });
}

function isCreated(file: string, text: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(file, "wx");
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
  try {
    writeFileSync(descriptor, text);
    return true;
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function isHeld({ pid, start }: Holder): boolean {
  if (!isRunning(pid)) return false;
  const now = startOf(pid);
  return start === null || now === null || start === now;
}

/** Two may find the same stale lock: what is moved away must be that one, else it is put back. */
function removeStale(file: string, stale: string): void {
  const moved = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, moved);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  try {
    if (readFileSync(moved, "utf8") !== stale) linkSync(moved, file);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  } finally {
    rmSync(moved, { force: true });
  }
}

function giveBack(file: string, text: string): void {
  if (readIfThere(file) === text) rmSync(file, { force: true });
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

function isNew(file: string): boolean {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs < WRITTEN_WITHIN_MS;
}

function holderOf(text: string): Holder | null {
  try {
    const { pid, start, since } = JSON.parse(text) as Partial<Holder>; // each field is checked below
    if (!Number.isSafeInteger(pid) || typeof since !== "string") return null;
    return { pid: Number(pid), start: typeof start === "string" ? start : null, since };
  } catch {
    return null;
  }
}

function held(folder: string, holder: Holder | null, remedy: string): MagdiError {
  const who = holder === null ? "another process" : `process ${holder.pid}, since ${holder.since}`;
  return new MagdiError(
    "MAGDI_BAD_CONFIG",
    `${folder}: expected no other run in this folder, found ${who}; ${remedy}`,
  );
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error ? String(error.code) : null;
}
