// A regular file, open for reading at any position.

import { closeSync, readSync } from "node:fs";
import { type FileLimits, openRegularFile } from "../base/files/regular-file.ts";
import { badFile, unsupported } from "./bad-file.ts";

/** The most that one read call asks for: operating systems stop just below 2 GiB. */
const READ_CHUNK_BYTES = 2 ** 30;

export class FileBytes {
  readonly path: string;
  readonly sizeBytes: number;
  #fd: number | null;

  /** @throws MagdiError MAGDI_FILE_MISSING, or MAGDI_BAD_FILE when it is not a regular file or cannot be opened. */
  constructor(path: string, limits: FileLimits = {}) {
    this.path = path;
    const { descriptor, sizeBytes } = openRegularFile(path, limits);
    this.#fd = descriptor;
    this.sizeBytes = sizeBytes;
  }

  /**
   * The bytes [position, position + lengthBytes) in an ArrayBuffer of their own.
   *
   * @param what names the bytes in errors, such as: tensor "w"
   * @throws MagdiError MAGDI_BAD_FILE when the file has no such bytes or was closed; MAGDI_UNSUPPORTED when
   * they do not fit into one array.
   */
  read(position: number, lengthBytes: number, what: string): Uint8Array<ArrayBuffer> {
    if (this.#fd === null) throw badFile(this.path, what, "an open file", "one that was closed before");
    const end = position + lengthBytes;
    if (end > this.sizeBytes) {
      throw badFile(
        this.path,
        what,
        `bytes up to ${end}`,
        `a file of ${this.sizeBytes} bytes; is it truncated?`,
      );
    }
    const bytes = this.#allocate(lengthBytes, what);
    for (let done = 0; done < lengthBytes; ) {
      const count = this.#readInto(this.#fd, bytes, done, position + done, what);
      if (count === 0) {
        throw badFile(
          this.path,
          what,
          `bytes up to ${end}`,
          `an end at ${position + done}; did it change meanwhile?`,
        );
      }
      done += count;
    }
    return bytes;
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #allocate(lengthBytes: number, what: string): Uint8Array<ArrayBuffer> {
    try {
      return new Uint8Array(lengthBytes);
    } catch {
      throw unsupported(this.path, what, `${lengthBytes} bytes are more than one array can hold here`);
    }
  }

  #readInto(fd: number, bytes: Uint8Array, done: number, position: number, what: string): number {
    try {
      return readSync(fd, bytes, done, Math.min(bytes.length - done, READ_CHUNK_BYTES), position);
    } catch (error) {
      throw badFile(
        this.path,
        what,
        "a readable file",
        error instanceof Error ? error.message : "a failure",
        error,
      );
    }
  }
}
