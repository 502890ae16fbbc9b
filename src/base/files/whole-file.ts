// Files that are the old one or the whole new one, whatever happens while they are written: a full disk, a kill, a
// power cut. It does not know what they hold.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { writing } from "./disk-refusal.ts";

/** One write call moves at most this much: the operating systems' limit is just below 2 GiB. */
const WRITE_CHUNK_BYTES = 2 ** 30;

/**
 * A file that is written piece by piece, beside its place until it is committed. Its folder must be there. What the
 * file system refuses ends it: nothing is left beside its place, and what was there before is untouched.
 */
export class WholeFile {
  readonly path: string;
  readonly #beside: string;
  #descriptor: number | null;

  /** @throws MAGDI_NOT_WRITTEN */
  constructor(file: string) {
    this.path = file;
    this.#beside = `${file}.${process.pid}.part`;
    this.#descriptor = writing(file, () => openSync(this.#beside, "w"));
  }

  /** @throws MAGDI_NOT_WRITTEN */
  write(content: string | ArrayBufferView): void {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    this.#step(() => {
      for (let done = 0; done < bytes.byteLength; ) {
        const length = Math.min(bytes.byteLength - done, WRITE_CHUNK_BYTES);
        done += writeSync(this.#descriptor!, new Uint8Array(bytes.buffer, bytes.byteOffset + done, length)); // open until it is closed
      }
    });
  }

  /** All is on the disk afterwards, still beside its place. Idempotent. @throws MAGDI_NOT_WRITTEN */
  close(): void {
    this.#step(() => {
      if (this.#descriptor !== null) whereSyncIs(() => fsyncSync(this.#descriptor!)); // as just asked
      this.#closeDescriptor();
    });
  }

  /** Takes the place of whatever had the name. @throws MAGDI_NOT_WRITTEN */
  commit(): void {
    this.close();
    this.#step(() => takePlace(this.#beside, this.path));
  }

  /** Leaves nothing behind. Idempotent. */
  discard(): void {
    this.#closeDescriptor();
    if (existsSync(this.#beside)) rmSync(this.#beside);
  }

  #closeDescriptor(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = null;
    if (descriptor !== null) closeSync(descriptor);
  }

  #step(work: () => void): void {
    try {
      writing(this.path, work);
    } catch (error) {
      this.discard();
      throw error;
    }
  }
}

/**
 * Writes a file whole; its folder is made where there is none.
 * @throws MAGDI_NOT_WRITTEN: nothing is left beside it, and what was there before is untouched
 */
export function writeWholeFile(file: string, text: string): void {
  const isStream = writing(file, () => {
    mkdirSync(path.dirname(file), { recursive: true });
    const found = statSync(file, { throwIfNoEntry: false });
    return found !== undefined && !found.isFile() && !found.isDirectory();
  });
  if (isStream) {
    // A pipe or a terminal, such as /dev/stdout, is never whole, and must not be replaced by a file.
    writing(file, () => writeFileSync(file, text));
    return;
  }
  const whole = new WholeFile(file);
  whole.write(text);
  whole.commit();
}

/** Renames what is written and flushed, and flushes the new name. The file system's errors pass. */
export function takePlace(beside: string, file: string): void {
  renameSync(beside, file);
  syncFolder(path.dirname(file));
}

/** Makes the names in a folder last through a power cut, where the system can. The file system's errors pass. */
export function syncFolder(folder: string): void {
  if (process.platform !== "win32") syncPath(folder, "r"); // Windows opens no folders
}

/** The same of what a file holds that somebody else has written. */
export function syncFile(file: string): void {
  syncPath(file, "r+"); // Windows flushes nothing that is open for reading alone
}

function syncPath(place: string, flags: "r" | "r+"): void {
  whereSyncIs(() => {
    const descriptor = openSync(place, flags);
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

/** What file systems answer that have no such thing as flushing, or not of folders. */
const NO_SYNC = ["EACCES", "EINVAL", "EISDIR", "ENOTSUP", "EPERM"];

function whereSyncIs(sync: () => void): void {
  try {
    sync();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && NO_SYNC.includes(String(error.code)))) throw error;
  }
}
