// JSON records of a file, one a line or all in one array, gzipped or not, read piece by piece: a file may be larger than
// memory. It does not know what the records are.

import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { MagdiError } from "../errors.ts";

export interface JsonRecord {
  /** FILE:LINE, and its place when it stands in an array, FILE:LINE[INDEX]: where errors point to. */
  readonly where: string;
  readonly value: unknown;
}

/** What becomes of a record that cannot be used: the error is thrown, or told and the record passed over. */
export type OnBroken = (error: MagdiError) => void;

/**
 * The records of `path` in order; empty lines are passed over. gzip is told by its first bytes, not by its name. A
 * record that is no JSON goes to `onBroken`, which throws when there is none.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE with the file and the line
 */
export async function* readJsonRecords(path: string, onBroken: OnBroken = stop): AsyncGenerator<JsonRecord> {
  for await (const { where, text } of recordTexts(path)) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      const found = text.length > 60 ? `${text.slice(0, 59)}…` : text;
      onBroken(
        new MagdiError(
          "MAGDI_BAD_FILE",
          `${where}: expected a JSON record, found ${found === "" ? "nothing" : found}`,
          { cause },
        ),
      );
      continue;
    }
    yield { where, value };
  }
}

/** Broken records end the reading. */
export const stop: OnBroken = (error) => {
  throw error;
};

interface RecordText {
  readonly where: string;
  readonly text: string;
}

async function* recordTexts(path: string): AsyncGenerator<RecordText> {
  let records: LineRecords | ArrayRecords | null = null;
  let before = "";
  for await (const chunk of textOf(path)) {
    if (records === null) {
      before += chunk;
      const first = before.trimStart()[0];
      if (first === undefined) continue;
      records = first === "[" ? new ArrayRecords(path) : new LineRecords(path);
    }
    yield* records.next(before === "" ? chunk : before);
    before = "";
  }
  if (records !== null) yield* records.end();
}

class LineRecords {
  readonly #path: string;
  #line = 0;
  #pieces: string[] = [];

  constructor(path: string) {
    this.#path = path;
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
    if (text !== "") yield { where: `${this.#path}:${this.#line}`, text };
  }
}

/** Finds where elements end by counting brackets outside of strings; what is in them is not looked at. */
class ArrayRecords {
  readonly #path: string;
  #line = 1;
  /** The line on which the element at hand begins. */
  #start = 1;
  #begun = false;
  #index = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #pieces: string[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  *next(chunk: string): Generator<RecordText> {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      if (this.#inString) {
        at = this.#throughString(chunk, at);
        continue;
      }
      const code = chunk.charCodeAt(at);
      if (code === NEWLINE) this.#line += 1;
      if (code === NEWLINE || code === SPACE || code === TAB || code === RETURN) continue;
      if (this.#depth === 0) {
        this.#open(chunk, at);
        from = at + 1;
      } else if (this.#depth === 1 && (code === COMMA || code === CLOSE_ARRAY)) {
        this.#pieces.push(chunk.slice(from, at));
        from = at + 1;
        yield* this.#record(code === CLOSE_ARRAY);
        if (code === CLOSE_ARRAY) this.#depth = 0;
      } else {
        if (!this.#begun) this.#start = this.#line;
        this.#begun = true;
        if (code === QUOTE) this.#inString = true;
        else if (code === OPEN_ARRAY || code === OPEN_OBJECT) this.#depth += 1;
        else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) this.#depth -= 1;
      }
    }
    if (this.#depth > 0) this.#pieces.push(chunk.slice(from));
  }

  #open(chunk: string, at: number): void {
    if (chunk.charCodeAt(at) !== OPEN_ARRAY || this.#index > 0) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${this.#path}:${this.#line}: expected nothing behind the array of records, found ${chunk.slice(at, at + 20)}`,
      );
    }
    this.#depth = 1;
  }

  /** From a place in a string to its end, or to that of the chunk: most of a file is text, and passed over fast. */
  #throughString(chunk: string, at: number): number {
    if (this.#escaped) {
      this.#escaped = false;
      return at;
    }
    const quote = chunk.indexOf('"', at);
    const end = quote < 0 ? chunk.length : quote;
    let backslashes = 0;
    while (end - backslashes > at && chunk.charCodeAt(end - backslashes - 1) === BACKSLASH) backslashes += 1;
    const isEscaped = backslashes % 2 === 1;
    if (quote < 0) this.#escaped = isEscaped;
    else this.#inString = isEscaped;
    return end;
  }

  // biome-ignore lint/correctness/useYield: the counterpart of LineRecords' end, which yields
  *end(): Generator<RecordText> {
    if (this.#depth === 0) return;
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${this.#path}:${this.#line}: expected ] at the end of the array of records, found the end of the file in record ${this.#index}; is the file whole?`,
    );
  }

  *#record(last: boolean): Generator<RecordText> {
    const text = this.#pieces.join("").trim();
    this.#pieces = [];
    const where = `${this.#path}:${this.#start}[${this.#index}]`;
    this.#index += 1;
    this.#begun = false;
    if (text !== "" || !last) yield { where, text };
  }
}

const [NEWLINE, SPACE, TAB, RETURN, BACKSLASH, QUOTE, COMMA] = [10, 32, 9, 13, 92, 34, 44];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];

/** A file's text in pieces, unzipped, without a byte order mark. */
async function* textOf(path: string): AsyncGenerator<string> {
  const gzipped = startsAsGzip(path);
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  // The pipeline's error comes out of the reading; without a callback it would come twice.
  const bytes = gzipped ? pipeline(file, createGunzip(), () => undefined) : file;
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
      `${path}: cannot be read after ${characters} characters: ${String(cause)}; is the file whole?`,
      { cause },
    );
  } finally {
    bytes.destroy();
    file.destroy();
  }
}

function startsAsGzip(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${path}: expected a file of records, found none: ${String(cause)}`,
      { cause },
    );
  }
  try {
    const bytes = Buffer.alloc(2);
    readSync(fd, bytes, 0, 2, 0);
    return bytes[0] === 0x1f && bytes[1] === 0x8b;
  } catch (cause) {
    throw new MagdiError("MAGDI_BAD_FILE", `${path}: cannot be read: ${String(cause)}`, { cause });
  } finally {
    closeSync(fd);
  }
}
