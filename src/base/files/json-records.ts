// Reads JSON records from JSON Lines, an array, a document or a folder of documents, gzipped or not. Lines and arrays
// are streamed: the file may be larger than memory.

import { closeSync, createReadStream, readdirSync, readSync, statSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { MagdiError } from "../errors.ts";
import { isDeeperThan, MOST_JSON_DEPTH } from "../json-depth.ts";
import { ArrayRecords, type RecordText } from "./array-records.ts";
import { DOCUMENT_CHARACTERS, excessOf, RECORD_CHARACTERS } from "./record-limits.ts";
import { type OpenFile, openRegularFile, readRegularText } from "./regular-file.ts";

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
 * is detected by its first bytes. A record that is not JSON, or too large, goes to `onBroken`, which throws by default.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE with the file and the line
 */
export async function* readJsonRecords(file: string, onBroken: OnBroken = stop): AsyncGenerator<JsonRecord> {
  for await (const found of recordsIn(file)) {
    if (!("text" in found)) {
      yield { name: null, ...found };
      continue;
    }
    const { where, name = null, text } = found;
    const excess = text === null ? TOO_LONG : excessOf(text, DOCUMENT_CHARACTERS);
    if (text === null || excess !== null) {
      const advice = "is it one record a line, or an array of records?";
      onBroken(new MagdiError("MAGDI_BAD_FILE", `${where}: expected ${excess}, found more; ${advice}`));
      continue;
    }
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

const TOO_LONG = `a record of at most ${RECORD_CHARACTERS} characters`;
const tooDeep = (where: string): MagdiError =>
  new MagdiError(
    "MAGDI_BAD_FILE",
    `${where}: expected a record that nests at most ${MOST_JSON_DEPTH} deep, found more`,
  );

/** Throws at the first broken record. */
export const stop: OnBroken = (error) => {
  throw error;
};

/** The paths of the .json files below a folder, sorted; null for a file. Links to folders are not followed. */
export function jsonFilesIn(folder: string): string[] | null {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return null;
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && entry.name.endsWith(".json"))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"));
  return names.sort().map((name) => path.join(folder, name));
}

/** A record as text, or already parsed. */
type Found = { readonly where: string } & (
  | { readonly text: string | null; readonly name?: string }
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
    yield { where, name, text: readRegularText(where, { within: file }) };
  }
}

async function* recordsOf(file: string): AsyncGenerator<Found> {
  let records: LineRecords | ArrayRecords | null = null;
  let head = "";
  let layout: Layout = "unknown";
  let lookedAt = 0;
  for await (const chunk of textOf(file)) {
    if (records !== null) {
      yield* records.next(chunk);
      continue;
    }
    head += chunk;
    // Only when there is as much to see again: layoutOf copies the whole text.
    if (layout === "unknown" && head.length >= 2 * lookedAt) {
      layout = layoutOf(head);
      lookedAt = head.length;
    }
    const waits = layout === "unknown" || layout === "document";
    // Anything longer is taken for lines, of which the first is broken.
    if (waits && head.length <= DOCUMENT_CHARACTERS) continue;
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
  const excess = excessOf(text, DOCUMENT_CHARACTERS);
  if (excess !== null) {
    const message = `${file}: expected a document of ${excess}, found more; write one record a line`;
    throw new MagdiError("MAGDI_BAD_FILE", message);
  }
  if (isDeeperThan(text)) throw tooDeep(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const records = new LineRecords(file);
    const lines = [...records.next(text), ...records.end()];
    if (lines.length <= 1 || lines.some(({ text: line }) => line !== null && isJson(line)))
      return yield* lines;
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
  #characters = 0;

  constructor(file: string) {
    this.#file = file;
  }

  *next(chunk: string): Generator<RecordText> {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      this.#keep(chunk.slice(start, end));
      start = end + 1;
      yield* this.#record();
    }
    this.#keep(chunk.slice(start));
  }

  /** Of a line that is too long nothing is kept. */
  #keep(piece: string): void {
    this.#characters += piece.length;
    if (this.#characters > RECORD_CHARACTERS) this.#pieces = [];
    else this.#pieces.push(piece);
  }

  *end(): Generator<RecordText> {
    yield* this.#record();
  }

  *#record(): Generator<RecordText> {
    const text = this.#characters > RECORD_CHARACTERS ? null : this.#pieces.join("").trim();
    this.#pieces = [];
    this.#characters = 0;
    this.#line += 1;
    if (text !== "") yield { where: `${this.#file}:${this.#line}`, text };
  }
}

/** Records that compress further than this are made to fill the memory. */
const MOST_EXPANSION = 100;
/** Short files may compress further. */
const EXPANDED_CHARACTERS = 2 ** 24;

/** A file's text in chunks, unzipped, without a byte order mark. */
async function* textOf(file: string): AsyncGenerator<string> {
  const { descriptor, sizeBytes } = openRecords(file);
  const mostCharacters = Math.max(EXPANDED_CHARACTERS, MOST_EXPANSION * sizeBytes);
  const gzipped = startsAsGzip(file, descriptor);
  const stored = createReadStream(file, { fd: descriptor, start: 0, highWaterMark: 1 << 18 });
  // The error surfaces when reading; without a callback it would be thrown a second time.
  const bytes = gzipped ? pipeline(stored, createGunzip(), () => undefined) : stored;
  bytes.setEncoding("utf8");
  let characters = 0;
  try {
    for await (const chunk of bytes) {
      const text = String(chunk);
      yield characters === 0 && text.startsWith("\uFEFF") ? text.slice(1) : text;
      characters += text.length;
      if (gzipped && characters > mostCharacters) {
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${file}: expected records that gzip made up to ${MOST_EXPANSION} times smaller, found more; if you trust the file, unzip it first`,
        );
      }
    }
  } catch (cause) {
    if (cause instanceof MagdiError) throw cause;
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

function openRecords(file: string): OpenFile {
  try {
    return openRegularFile(file);
  } catch (cause) {
    if (!(cause instanceof MagdiError) || cause.code !== "MAGDI_FILE_MISSING") throw cause;
    throw new MagdiError("MAGDI_FILE_MISSING", `${file}: expected a file of records, found none`, { cause });
  }
}

function startsAsGzip(file: string, descriptor: number): boolean {
  try {
    const bytes = Buffer.alloc(2);
    readSync(descriptor, bytes, 0, 2, 0);
    return bytes[0] === 0x1f && bytes[1] === 0x8b;
  } catch (cause) {
    closeSync(descriptor);
    throw new MagdiError("MAGDI_BAD_FILE", `${file}: cannot be read: ${String(cause)}`, { cause });
  }
}
