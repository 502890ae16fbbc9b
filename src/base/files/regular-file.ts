// Opens files that may come from strangers: regular ones alone, inside the folder that they belong to, and no larger
// than what is expected there. What is in them is for others to judge.

import { constants as buffers } from "node:buffer";
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import path from "node:path";
import { MagdiError } from "../errors.ts";

export interface FileLimits {
  /** The folder that links may not lead out of. Default: the file was named by its user, and its links are followed. */
  readonly within?: string;
  /** Default 64 MB, twice the largest tokenizer.json of the models that are imported. */
  readonly maxBytes?: number;
}

/** An open file, which the caller closes. */
export interface OpenFile {
  readonly descriptor: number;
  readonly sizeBytes: number;
}

const DEFAULT_MAX_BYTES = 2 ** 26;

/** For files that grow with a run: what fits into one text. */
export const ONE_TEXT_BYTES = buffers.MAX_STRING_LENGTH;

/** A cache of the Hugging Face hub, in which the files of a snapshot are links to the repository's blobs. */
const HUB_SNAPSHOT = /^(.*[/\\](?:models|datasets|spaces)--[^/\\]+)[/\\]snapshots(?:[/\\]|$)/;

/**
 * Opens for reading. It waits for no pipe and opens no device.
 * @throws MAGDI_FILE_MISSING; MAGDI_BAD_FILE naming the file and what it is instead
 */
export function openRegularFile(file: string, { within, maxBytes }: FileLimits = {}): OpenFile {
  let descriptor: number | null = null;
  try {
    // Before opening, because opening a device may do things; and after, because it may have been exchanged.
    assertRegular(file, statSync(file));
    const real = within === undefined ? null : insidePath(file, within);
    descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const opened = fstatSync(descriptor);
    assertRegular(file, opened);
    if (real !== null) assertSame(file, descriptor, real);
    if (maxBytes !== undefined && opened.size > maxBytes) {
      throw wrong(file, `at most ${maxBytes} bytes`, `${opened.size}`);
    }
    return { descriptor, sizeBytes: opened.size };
  } catch (error) {
    if (descriptor !== null) closeSync(descriptor);
    throw openingError(file, error);
  }
}

/** The whole file. @throws as openRegularFile, and when it changes meanwhile */
export function readRegularFile(file: string, limits: FileLimits = {}): Buffer<ArrayBuffer> {
  const { descriptor, sizeBytes } = openRegularFile(file, { maxBytes: DEFAULT_MAX_BYTES, ...limits });
  try {
    const bytes = Buffer.alloc(sizeBytes);
    let done = 0;
    while (done < sizeBytes) {
      const count = readSync(descriptor, bytes, done, sizeBytes - done, done);
      if (count === 0) throw wrong(file, `${sizeBytes} bytes`, `an end after ${done}: it changes meanwhile`);
      done += count;
    }
    return bytes;
  } catch (error) {
    throw openingError(file, error);
  } finally {
    closeSync(descriptor);
  }
}

/** The whole file as UTF-8. @throws as readRegularFile */
export const readRegularText = (file: string, limits: FileLimits = {}): string =>
  readRegularFile(file, limits).toString("utf8");

/** Where `file` really lies. @throws MAGDI_BAD_FILE when that is not in the folder `within`, and the system's errors */
function insidePath(file: string, within: string): string {
  const folder = realpathSync(within);
  const root = HUB_SNAPSHOT.exec(folder)?.[1] ?? folder;
  const real = realpathSync(file);
  const relative = path.relative(root, real);
  if (
    relative !== "" &&
    relative !== ".." &&
    !relative.startsWith(`..${path.sep}`) &&
    !path.isAbsolute(relative)
  ) {
    return real;
  }
  throw wrong(file, `a file inside ${root}`, `a link to ${real}; copy the file there`);
}

/** Whether what was opened lies at `real`: a folder on the way may have been exchanged. */
function assertSame(file: string, descriptor: number, real: string): void {
  const opened = fstatSync(descriptor, { bigint: true });
  const there = statSync(real, { bigint: true });
  if (opened.dev === there.dev && opened.ino === there.ino && realpathSync(real) === real) return;
  throw wrong(file, "one file", "another one: it changes meanwhile");
}

function assertRegular(file: string, stats: Stats): void {
  if (stats.isFile()) return;
  throw wrong(file, "a regular file", kindOf(stats));
}

/** What is not a regular file, in words. */
export function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a folder";
  if (stats.isFIFO()) return "a named pipe";
  if (stats.isSocket()) return "a socket";
  return stats.isCharacterDevice() || stats.isBlockDevice() ? "a device" : "something else";
}

function openingError(file: string, error: unknown): MagdiError {
  if (error instanceof MagdiError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new MagdiError("MAGDI_FILE_MISSING", `${file}: there is no such file`, { cause: error });
  }
  const found = code === "ELOOP" ? "links that lead in a circle" : code;
  return wrong(file, "a readable file", found, error);
}

function wrong(file: string, expected: string, found: string, cause?: unknown): MagdiError {
  return new MagdiError("MAGDI_BAD_FILE", `${file}: expected ${expected}, found ${found}`, { cause });
}
