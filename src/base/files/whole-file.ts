// Atomic file replacement: after a full disk, a kill or a power cut a file is the old one or the complete new one.

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
import { writing } from "./write-errors.ts";

/** The operating systems' limit for one write call is just below 2 GiB. */
const WRITE_CHUNK_BYTES = 2 ** 30;

/**
 * Writes to a temporary file next to `path`, which `commit` renames. The folder must exist. When a write fails, the
 * temporary file is deleted and the existing file is unchanged.
 */
export class WholeFile {
  readonly path: string;
  readonly #temporary: string;
  #descriptor: number | null;

  /** @throws MAGDI_NOT_WRITTEN */
  constructor(file: string) {
    this.path = file;
    this.#temporary = `${file}.${process.pid}.part`;
    this.#descriptor = writing(file, () => openSync(this.#temporary, "w"));
  }

  /** @throws MAGDI_NOT_WRITTEN */
  write(content: string | ArrayBufferView): void {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    this.#step(() => {
      for (let done = 0; done < bytes.byteLength; ) {
        const length = Math.min(bytes.byteLength - done, WRITE_CHUNK_BYTES);
        done += writeSync(this.#descriptor!, new Uint8Array(bytes.buffer, bytes.byteOffset + done, length)); // not closed yet
      }
    });
  }

  /** Flushes everything to disk, still under the temporary name. Idempotent. @throws MAGDI_NOT_WRITTEN */
  close(): void {
    this.#step(() => {
      if (this.#descriptor !== null) ifSyncSupported(() => fsyncSync(this.#descriptor!)); // checked above
      this.#closeDescriptor();
    });
  }

  /** Replaces the file at `path`. @throws MAGDI_NOT_WRITTEN */
  commit(): void {
    this.close();
    this.#step(() => takePlace(this.#temporary, this.path));
  }

  /** Deletes the temporary file. Idempotent. */
  discard(): void {
    this.#closeDescriptor();
    if (existsSync(this.#temporary)) rmSync(this.#temporary);
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
 * Replaces a file atomically, creating its folder.
 * @throws MAGDI_NOT_WRITTEN, with the existing file unchanged
 */
export function writeWholeFile(file: string, text: string): void {
  const isStream = writing(file, () => {
    mkdirSync(path.dirname(file), { recursive: true });
    const found = statSync(file, { throwIfNoEntry: false });
    return found !== undefined && !found.isFile() && !found.isDirectory();
  });
  if (isStream) {
    // A pipe or a terminal, such as /dev/stdout, must not be replaced by a file.
    writing(file, () => writeFileSync(file, text));
    return;
  }
  const whole = new WholeFile(file);
  whole.write(text);
  whole.commit();
}

/** Renames a flushed file and flushes the new name. Throws the file system's errors. */
export function takePlace(temporary: string, file: string): void {
  renameSync(temporary, file);
  syncFolder(path.dirname(file));
}

/** Flushes the names in a folder, where the system can. Throws the file system's errors. */
export function syncFolder(folder: string): void {
  if (process.platform !== "win32") syncPath(folder, "r"); // Windows cannot open folders
}

/** Flushes a file that other code has written. */
export function syncFile(file: string): void {
  syncPath(file, "r+"); // Windows only flushes files that are open for writing
}

function syncPath(place: string, flags: "r" | "r+"): void {
  ifSyncSupported(() => {
    const descriptor = openSync(place, flags);
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

/** Errors of file systems that cannot flush, or cannot flush folders. */
const NO_SYNC = ["EACCES", "EINVAL", "EISDIR", "ENOTSUP", "EPERM"];

function ifSyncSupported(sync: () => void): void {
  try {
    sync();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && NO_SYNC.includes(String(error.code)))) throw error;
  }
}
