// A file of JSON records, one a line, that appears whole or not at all. It does not know what the records are.

import { createWriteStream, openSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { MagdiError } from "../errors.ts";

/** Writes beside `path`: close, then appear. Gzipped when `path` ends in .gz. */
export class JsonLinesWriter {
  readonly path: string;
  count = 0;
  readonly #beside: string;
  readonly #input = new PassThrough({ highWaterMark: 1 << 20 });
  readonly #written: Promise<void>;
  #failure: unknown = null;

  /** @throws MAGDI_NOT_WRITTEN when there can be no such file */
  constructor(path: string) {
    this.path = path;
    this.#beside = `${path}.${process.pid}.part`;
    try {
      // flush: synced before it is closed, so that what the name stands for after a crash is whole.
      const out = createWriteStream(this.#beside, { fd: openSync(this.#beside, "w"), flush: true });
      this.#written = path.endsWith(".gz")
        ? pipeline(this.#input, createGzip(), out)
        : pipeline(this.#input, out);
    } catch (cause) {
      throw notWritten(path, cause);
    }
    // Told by the write or the finish that comes next.
    this.#written.catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** @throws MAGDI_NOT_WRITTEN */
  async write(record: unknown): Promise<void> {
    if (this.#failure === null && !this.#input.write(`${JSON.stringify(record)}\n`)) {
      await Promise.race([
        new Promise((resolve) => this.#input.once("drain", resolve)),
        this.#written.catch(() => undefined),
      ]);
    }
    if (this.#failure !== null) throw notWritten(this.path, this.#failure);
    this.count += 1;
  }

  /** All is on the disk when this resolves. @throws MAGDI_NOT_WRITTEN */
  async close(): Promise<void> {
    this.#input.end();
    await this.#written.catch((cause: unknown) => {
      throw notWritten(this.path, cause);
    });
  }

  /** Takes the place of whatever had the name. Only after close. @throws MAGDI_NOT_WRITTEN */
  async appear(): Promise<void> {
    await rename(this.#beside, this.path).catch((cause: unknown) => {
      throw notWritten(this.path, cause);
    });
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    this.#input.destroy();
    await this.#written.catch(() => undefined);
    await rm(this.#beside, { force: true });
  }
}

function notWritten(path: string, cause: unknown): MagdiError {
  return new MagdiError(
    "MAGDI_NOT_WRITTEN",
    `${path}: cannot be written: ${String(cause)}; what was there before is still there`,
    { cause },
  );
}
