// Writes JSON records, one per line, to a file that appears complete or not at all.

import { gzipSync } from "node:zlib";
import { WholeFile } from "./whole-file.ts";

/** Lines are buffered, written and compressed in chunks of this size. */
const CHUNK_CHARACTERS = 1 << 20;

/** Writes to a temporary file: close, then commit. Gzipped when `path` ends in .gz, one gzip member per chunk. */
export class JsonLinesWriter {
  count = 0;
  readonly #file: WholeFile;
  #lines: string[] = [];
  #characters = 0;

  /** @throws MAGDI_NOT_WRITTEN, as do the methods that write */
  constructor(path: string) {
    this.#file = new WholeFile(path);
  }

  get path(): string {
    return this.#file.path;
  }

  write(record: unknown): void {
    const line = `${JSON.stringify(record)}\n`;
    this.#lines.push(line);
    this.#characters += line.length;
    this.count += 1;
    if (this.#characters >= CHUNK_CHARACTERS) this.#flush();
  }

  #flush(): void {
    const text = this.#lines.join("");
    this.#lines = [];
    this.#characters = 0;
    this.#file.write(this.path.endsWith(".gz") ? gzipSync(text) : text);
  }

  /** Flushes everything to disk. */
  close(): void {
    this.#flush();
    this.#file.close();
  }

  /** Replaces the file at `path`. Only after close. */
  commit(): void {
    this.#file.commit();
  }

  /** Deletes the temporary file. */
  discard(): void {
    this.#file.discard();
  }
}
