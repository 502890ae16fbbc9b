// JSON records of a file, one a line or all in one array, gzipped or not, read piece by piece: a file may be larger than
// memory. Or of one JSON document, or a folder of them. It does not know what the records are.

import {
  closeSync,
  createReadStream,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { MagdiError } from "../errors.ts";
import { ArrayRecords, type RecordText } from "./array-records.ts";

export interface JsonRecord {
  /** Where errors point to: FILE:LINE, in an array FILE:LINE[INDEX], in a document's list FILE[INDEX]; in a folder, its
   * file. */
  readonly where: string;
  /** Its path in a folder without the ending, which names it where it says no id; null in a file. */
  readonly name: string | null;
  readonly value: unknown;
}

/** What becomes of a record that cannot be used: the error is thrown, or told and the record passed over. */
export type OnBroken = (error: MagdiError) => void;

/**
 * The records of `file` in order: one a line, where empty lines are passed over; the elements of an array; one object
 * over several lines, or the list that it has as "examples", "data" or "questions"; of a folder, one for each .json
 * file below it. gzip is told by its first bytes, not by its name. A record that is no JSON goes to `onBroken`, which
 * throws when there is none.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE with the file and the line
 */
export async function* readJsonRecords(file: string, onBroken: OnBroken = stop): AsyncGenerator<JsonRecord> {
  for await (const found of recordsIn(file)) {
    if (!("text" in found)) {
      yield { name: null, ...found };
      continue;
    }
    const { where, name = null, text } = found;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      const shown = text.length > 60 ? `${text.slice(0, 59)}…` : text || "nothing";
      const message = `${where}: expected a JSON record, found ${shown}`;
      onBroken(new MagdiError("MAGDI_BAD_FILE", message, { cause }));
      continue;
    }
    yield { where, name, value };
  }
}

/** Broken records end the reading. */
export const stop: OnBroken = (error) => {
  throw error;
};

/** The .json files below a folder in the order of their names, which go on from the folder's; null for a file. */
export function jsonFilesIn(folder: string): string[] | null {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return null;
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => name.split(path.sep).join("/"))
    .filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => path.join(folder, name));
}

/** A record before or after it is parsed. */
type Found = { readonly where: string } & (
  | { readonly text: string; readonly name?: string }
  | { readonly value: unknown }
);

async function* recordsIn(file: string): AsyncGenerator<Found> {
  const files = jsonFilesIn(file);
  if (files === null) return yield* recordsOf(file);
  if (files.length === 0) {
    throw new MagdiError("MAGDI_BAD_FILE", `${file}: expected a folder of .json files, found none in it`);
  }
  for (const where of files) {
    const name = path
      .relative(file, where)
      .split(path.sep)
      .join("/")
      .replace(/\.json$/, "");
    yield { where, name, text: readFileSync(where, "utf8") };
  }
}

/** A document is held whole; anything longer is lines of records, of which the first is broken. */
const DOCUMENT_CHARACTERS = 2 ** 28;

async function* recordsOf(file: string): AsyncGenerator<Found> {
  let records: LineRecords | ArrayRecords | null = null;
  let head = "";
  let layout: Layout = "untold";
  for await (const chunk of textOf(file)) {
    if (records !== null) {
      yield* records.next(chunk);
      continue;
    }
    head += chunk;
    // Looked at only where there is something new to tell, for that copies all of it.
    if (layout === "untold" && (head === chunk || chunk.includes("\n"))) layout = layoutOf(head);
    if (layout === "untold" || (layout === "document" && head.length < DOCUMENT_CHARACTERS)) continue;
    records = layout === "array" ? new ArrayRecords(file) : new LineRecords(file);
    yield* records.next(head);
  }
  yield* records === null ? documentRecords(file, head) : records.end();
}

/** Untold as long as all is one line. */
type Layout = "array" | "lines" | "document" | "untold";

function layoutOf(head: string): Layout {
  const text = head.trimStart();
  if (text === "") return "untold";
  if (text[0] === "[") return "array";
  if (text[0] !== "{") return "lines";
  const end = text.indexOf("\n");
  if (end < 0 || text.slice(end).trim() === "") return "untold";
  return isJson(text.slice(0, end)) ? "lines" : "document";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** One text of JSON; a first line that is broken looks like its beginning, and then it is lines after all. */
function* documentRecords(file: string, text: string): Generator<Found> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const records = new LineRecords(file);
    const lines = [...records.next(text), ...records.end()];
    if (lines.length <= 1 || lines.some((line) => isJson(line.text))) return yield* lines;
    const message = `${file}: expected JSON, found text that is none (${String(cause)}); is the file whole?`;
    throw new MagdiError("MAGDI_BAD_FILE", message, { cause });
  }
  const list = listIn(value);
  if (list !== null) return yield* list.map((item, index) => ({ where: `${file}[${index}]`, value: item }));
  yield { where: `${file}:${text.slice(0, text.search(/\S/)).split("\n").length}`, value };
}

function listIn(value: unknown): unknown[] | null {
  if (Array.isArray(value)) return value;
  if (typeof value !== "object" || value === null) return null;
  const found = Object.entries(value).find(
    ([key, item]) => ["examples", "data", "questions"].includes(key) && Array.isArray(item),
  );
  return found === undefined ? null : (found[1] as unknown[]); // as was just asked
}

class LineRecords {
  readonly #file: string;
  #line = 0;
  #pieces: string[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  *next(chunk: string): Generator<RecordText> {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      this.#pieces.push(chunk.slice(start, end));
      start = end + 1;
      yield* this.#record();
    }
    this.#pieces.push(chunk.slice(start));
  }

  *end(): Generator<RecordText> {
    yield* this.#record();
  }

  *#record(): Generator<RecordText> {
    const text = this.#pieces.join("").trim();
    this.#pieces = [];
    this.#line += 1;
    if (text !== "") yield { where: `${this.#file}:${this.#line}`, text };
  }
}

/** A file's text in pieces, unzipped, without a byte order mark. */
async function* textOf(file: string): AsyncGenerator<string> {
  const gzipped = startsAsGzip(file);
  const stored = createReadStream(file, { highWaterMark: 1 << 18 });
  // The pipeline's error comes out of the reading; without a callback it would come twice.
  const bytes = gzipped ? pipeline(stored, createGunzip(), () => undefined) : stored;
  bytes.setEncoding("utf8");
  let characters = 0;
  try {
    for await (const chunk of bytes) {
      const text = String(chunk);
      yield characters === 0 && text.startsWith("\uFEFF") ? text.slice(1) : text;
      characters += text.length;
    }
  } catch (cause) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${file}: cannot be read after ${characters} characters: ${String(cause)}; is the file whole?`,
      { cause },
    );
  } finally {
    bytes.destroy();
    stored.destroy();
  }
}

function startsAsGzip(file: string): boolean {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (cause) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${file}: expected a file of records, found none: ${String(cause)}`,
      { cause },
    );
  }
  try {
    const bytes = Buffer.alloc(2);
    readSync(fd, bytes, 0, 2, 0);
    return bytes[0] === 0x1f && bytes[1] === 0x8b;
  } catch (cause) {
    throw new MagdiError("MAGDI_BAD_FILE", `${file}: cannot be read: ${String(cause)}`, { cause });
  } finally {
    closeSync(fd);
  }
}
