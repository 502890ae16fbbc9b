// JSON records of a file, one a line, gzipped or not, or all in one array; and such files written whole or not at all.
// It does not know what the records are.

import { closeSync, createReadStream, createWriteStream, fsyncSync, openSync, readSync } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip, gunzipSync } from "node:zlib";
import { MagdiError } from "../../errors.ts";

export interface JsonRecord {
  /** FILE:LINE, or FILE[INDEX] in an array: where errors point to. */
  readonly where: string;
  readonly value: unknown;
}

/**
 * The records of `path` in order; empty lines are passed over. gzip is told by its first bytes, not by its name.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE with the file and the line
 */
export async function* readJsonRecords(path: string): AsyncGenerator<JsonRecord> {
  const start = firstBytes(path);
  const gzipped = start[0] === 0x1f && start[1] === 0x8b;
  if (!gzipped && start.toString("utf8").trimStart().startsWith("[")) {
    yield* readArray(path, await readFile(path, "utf8"));
    return;
  }
  const file = createReadStream(path);
  // A broken file must end the reading with an error: readline itself only stops.
  let failure: unknown = null;
  const fail = (error: unknown): void => {
    failure = error;
    lines.close();
  };
  const bytes = gzipped ? file.pipe(createGunzip()) : file;
  const lines = createInterface({ input: bytes, crlfDelay: Number.POSITIVE_INFINITY });
  file.on("error", fail);
  bytes.on("error", fail);
  let number = 0;
  try {
    for await (const line of lines) {
      number += 1;
      if (number === 1 && gzipped && line.trimStart().startsWith("[")) {
        yield* readArray(path, gunzipSync(await readFile(path)).toString("utf8"));
        return;
      }
      if (line.trim() !== "") yield { where: `${path}:${number}`, value: parse(line, `${path}:${number}`) };
    }
  } finally {
    lines.close();
    file.destroy();
  }
  if (failure !== null) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${path}: cannot be read after line ${number}: ${String(failure)}`,
      {
        cause: failure,
      },
    );
  }
}

/**
 * Writes one JSON text a line beside `path`, syncs and renames, so that `path` is the old file or the whole new one.
 * Gzipped when `path` ends in .gz. Returns the number of records. What `records` throws passes through.
 */
export async function writeJsonLines(path: string, records: AsyncIterable<unknown>): Promise<number> {
  const beside = `${path}.${process.pid}.part`;
  let count = 0;
  async function* lines(): AsyncGenerator<string> {
    for await (const record of records) {
      count += 1;
      yield `${JSON.stringify(record)}\n`;
    }
  }
  try {
    const out = createWriteStream(beside);
    if (path.endsWith(".gz")) await pipeline(Readable.from(lines()), createGzip(), out);
    else await pipeline(Readable.from(lines()), out);
    const fd = openSync(beside, "r+");
    fsyncSync(fd);
    closeSync(fd);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  return count;
}

function* readArray(path: string, text: string): Generator<JsonRecord> {
  const values = parse(text, path);
  if (!Array.isArray(values)) {
    throw new MagdiError("MAGDI_BAD_FILE", `${path}: expected an array of records, or one record a line`);
  }
  for (const [index, value] of values.entries()) yield { where: `${path}[${index}]`, value };
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${where}: expected JSON, found ${JSON.stringify(text.slice(0, 40))}`,
      {
        cause,
      },
    );
  }
}

function firstBytes(path: string): Buffer {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${path}: expected a file of records, found none: ${String(cause)}`,
      {
        cause,
      },
    );
  }
  try {
    const bytes = Buffer.alloc(64);
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
  } catch (cause) {
    throw new MagdiError("MAGDI_BAD_FILE", `${path}: cannot be read: ${String(cause)}`, { cause });
  } finally {
    closeSync(fd);
  }
}
