// A file of JSON records, one a line, that appears whole or not at all. It does not know what the records are.

import { gzipSync } from "node:zlib";
import { WholeFile } from "./whole-file.ts";

/** Lines are written, and compressed, so many characters at a time. */
const CHUNK_CHARACTERS = 1 << 20;

/** Writes beside `path`: close, then commit. Gzipped when `path` ends in .gz, each chunk as a member of its own. */
export class JsonLinesWriter {
  count = 0;
  readonly #file: WholeFile;
  #lines: string[] = [];
  #characters = 0;

  /** @throws MAGDI_NOT_WRITTEN when there can be no such file, as do all that write it */
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

  /** All is on the disk afterwards. */
  close(): void {
    this.#flush();
    this.#file.close();
  }

  /** Takes the place of whatever had the name. Only after close. */
  commit(): void {
    this.#file.commit();
  }

  /** Leaves nothing behind. */
  discard(): void {
    this.#file.discard();
  }
}
