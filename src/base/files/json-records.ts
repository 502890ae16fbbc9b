// Reads JSON records from JSON Lines, an array, a document or a folder of documents, gzipped or not. Lines and arrays
// are streamed: the file may be larger than memory.

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
import { isDeeperThan, MOST_JSON_DEPTH } from "./json-depth.ts";

export interface JsonRecord {
  /** For errors: FILE:LINE, in an array FILE:LINE[INDEX], in a document's list FILE[INDEX], in a folder FILE. */
  readonly where: string;
  /** Its path below the folder without .json, which serves as its id where it has none; null in a file. */
  readonly name: string | null;
  readonly value: unknown;
}

/** Called for each record that cannot be used: it throws, or the record is skipped. */
export type OnBroken = (error: MagdiError) => void;

/**
 * The records of `file` in order: one per line, skipping empty lines; the elements of an array; one object over
 * several lines, or its list "examples", "data" or "questions"; for a folder, one for each .json file below it. gzip
 * is detected by its first bytes. A record that is not JSON goes to `onBroken`, which throws by default.
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
    if (isDeeperThan(text)) {
      onBroken(tooDeep(where));
      continue;
    }
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

const tooDeep = (where: string): MagdiError =>
  new MagdiError(
    "MAGDI_BAD_FILE",
    `${where}: expected a record that nests at most ${MOST_JSON_DEPTH} deep, found more`,
  );

/** Throws at the first broken record. */
export const stop: OnBroken = (error) => {
  throw error;
};

/** The paths of the .json files below a folder, sorted; null for a file. */
export function jsonFilesIn(folder: string): string[] | null {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return null;
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => name.split(path.sep).join("/"))
    .filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => path.join(folder, name));
}

/** A record as text, or already parsed. */
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

/** A document is held in memory; anything longer is taken for lines, of which the first is broken. */
const DOCUMENT_CHARACTERS = 2 ** 28;

async function* recordsOf(file: string): AsyncGenerator<Found> {
  let records: LineRecords | ArrayRecords | null = null;
  let head = "";
  let layout: Layout = "unknown";
  for await (const chunk of textOf(file)) {
    if (records !== null) {
      yield* records.next(chunk);
      continue;
    }
    head += chunk;
    // Only when there is something new to see: layoutOf copies the whole text.
    if (layout === "unknown" && (head === chunk || chunk.includes("\n"))) layout = layoutOf(head);
    if (layout === "unknown" || (layout === "document" && head.length < DOCUMENT_CHARACTERS)) continue;
    records = layout === "array" ? new ArrayRecords(file) : new LineRecords(file);
    yield* records.next(head);
  }
  yield* records === null ? documentRecords(file, head) : records.end();
}

/** Unknown until the first line has ended. */
type Layout = "array" | "lines" | "document" | "unknown";

function layoutOf(head: string): Layout {
  const text = head.trimStart();
  if (text === "") return "unknown";
  if (text[0] === "[") return "array";
  if (text[0] !== "{") return "lines";
  const end = text.indexOf("\n");
  if (end < 0 || text.slice(end).trim() === "") return "unknown";
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

/** One JSON document, or lines of records whose first line is broken and so looked like the start of a document. */
function* documentRecords(file: string, text: string): Generator<Found> {
  if (isDeeperThan(text)) throw tooDeep(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const records = new LineRecords(file);
    const lines = [...records.next(text), ...records.end()];
    if (lines.length <= 1 || lines.some((line) => isJson(line.text))) return yield* lines;
    const message = `${file}: expected JSON, found text that is not JSON (${String(cause)}); is the file complete?`;
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
  return found === undefined ? null : (found[1] as unknown[]); // checked above
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

/** A file's text in chunks, unzipped, without a byte order mark. */
async function* textOf(file: string): AsyncGenerator<string> {
  const gzipped = startsAsGzip(file);
  const stored = createReadStream(file, { highWaterMark: 1 << 18 });
  // The error surfaces when reading; without a callback it would be thrown a second time.
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
      `${file}: cannot be read after ${characters} characters: ${String(cause)}; is the file complete?`,
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
