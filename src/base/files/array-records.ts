// Splits a JSON array that is read in chunks into the texts of its elements, by counting brackets outside strings.

import { MagdiError } from "../errors.ts";
import { RECORD_CHARACTERS } from "./record-limits.ts";

export interface RecordText {
  readonly where: string;
  /** Null for a record of more than RECORD_CHARACTERS, whose rest is skipped. */
  readonly text: string | null;
}

export class ArrayRecords {
  readonly #file: string;
  #line = 1;
  /** The line on which the current element begins. */
  #start = 1;
  #begun = false;
  #index = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #pieces: string[] = [];
  #characters = 0;

  constructor(file: string) {
    this.#file = file;
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
        this.#keep(chunk.slice(from, at));
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
    if (this.#depth > 0) this.#keep(chunk.slice(from));
  }

  /** Of a record that is too long nothing is kept. */
  #keep(piece: string): void {
    this.#characters += piece.length;
    if (this.#characters > RECORD_CHARACTERS) this.#pieces = [];
    else this.#pieces.push(piece);
  }

  #open(chunk: string, at: number): void {
    if (chunk.charCodeAt(at) !== OPEN_ARRAY || this.#index > 0) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${this.#file}:${this.#line}: expected nothing after the array of records, found ${chunk.slice(at, at + 20)}`,
      );
    }
    this.#depth = 1;
  }

  /** Skips to the end of the string, or of the chunk: most of a file is text, so this has to be fast. */
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
      `${this.#file}:${this.#line}: expected ] at the end of the array of records, found the end of the file in record ${this.#index}; is the file complete?`,
    );
  }

  *#record(last: boolean): Generator<RecordText> {
    const text = this.#characters > RECORD_CHARACTERS ? null : this.#pieces.join("").trim();
    this.#pieces = [];
    this.#characters = 0;
    const where = `${this.#file}:${this.#start}[${this.#index}]`;
    this.#index += 1;
    this.#begun = false;
    if (text !== "" || !last) yield { where, text };
  }
}

const [NEWLINE, SPACE, TAB, RETURN, BACKSLASH, QUOTE, COMMA] = [10, 32, 9, 13, 92, 34, 44];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];
