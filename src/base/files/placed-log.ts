// An append-only file of JSON lines that stay on disk: it is opened in pieces, and each line is read again by its place.
// Memory does not grow with it. A truncated last line is dropped.

import { appendFileSync, closeSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";
import { MagdiError } from "../errors.ts";
import { openRegularFile } from "./regular-file.ts";
import { writing } from "./write-errors.ts";

export interface PlacedLine {
  readonly text: string;
  /** Of its first byte in the file. */
  readonly offset: number;
  /** Of the byte behind its line break. */
  readonly end: number;
  /** For errors. */
  readonly where: string;
}

export interface PlacedLogOptions {
  /** The first line, which tells such a file from others. */
  readonly head: object;
  /** What is said of a file with another first line, behind its path. */
  readonly otherHead: string;
}

const NEWLINE = 10;
const PIECE_BYTES = 2 ** 16;

export class PlacedLog {
  readonly #file: string;
  readonly #descriptor: number;
  readonly #begin: number;
  #end: number;

  private constructor(file: string, descriptor: number, begin: number, end: number) {
    this.#file = file;
    this.#descriptor = descriptor;
    this.#begin = begin;
    this.#end = end;
  }

  /**
   * Continues the log, or begins it; `fresh` throws away what is there. `onLine` gets every line that it has; when it
   * throws, the file is unchanged.
   * @throws MagdiError MAGDI_BAD_CONFIG for another first line, with the file unchanged; MAGDI_NOT_WRITTEN
   */
  static open(
    file: string,
    options: PlacedLogOptions & { readonly fresh: boolean },
    onLine: (line: PlacedLine) => void,
  ): PlacedLog {
    return writing(file, () => {
      const descriptor = openSync(file, "a+");
      try {
        const head = `${JSON.stringify(options.head)}\n`;
        const begin = Buffer.byteLength(head);
        const found = beginningOf(descriptor, begin);
        const isCutOff = found.length < head.length && head.startsWith(found);
        if (options.fresh || isCutOff) {
          ftruncateSync(descriptor, 0);
          appendFileSync(descriptor, head);
          return new PlacedLog(file, descriptor, begin, begin);
        }
        assertHead(file, descriptor, head, options.otherHead);
        let end = begin;
        for (const line of linesFrom(file, descriptor, begin)) {
          onLine(line);
          end = line.end;
        }
        if (end < fstatSync(descriptor).size) ftruncateSync(descriptor, end);
        return new PlacedLog(file, descriptor, begin, end);
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    });
  }

  /** Returns its offset. @throws MAGDI_NOT_WRITTEN; what was written of the line is taken back */
  append(line: object): number {
    const text = `${JSON.stringify(line)}\n`;
    const offset = this.#end;
    try {
      writing(this.#file, () => appendFileSync(this.#descriptor, text));
    } catch (error) {
      ftruncateSync(this.#descriptor, offset);
      throw error;
    }
    this.#end += Buffer.byteLength(text);
    return offset;
  }

  /** The line at `offset`, which `append` or `onLine` gave. */
  read(offset: number): PlacedLine {
    for (const line of linesFrom(this.#file, this.#descriptor, offset)) {
      return { ...line, where: `${this.#file}, byte ${offset}` };
    }
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${this.#file}: expected a line at byte ${offset}, found none: it was changed meanwhile`,
    );
  }

  /** All of its lines, read again. */
  lines(): Generator<PlacedLine> {
    return linesFrom(this.#file, this.#descriptor, this.#begin);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/**
 * The lines of a log that is left as it is; a truncated last one is passed over.
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG for another first line
 */
export function* readPlacedLog(file: string, options: PlacedLogOptions): Generator<PlacedLine> {
  const { descriptor } = openRegularFile(file);
  try {
    const head = `${JSON.stringify(options.head)}\n`;
    assertHead(file, descriptor, head, options.otherHead);
    yield* linesFrom(file, descriptor, Buffer.byteLength(head));
  } finally {
    closeSync(descriptor);
  }
}

function beginningOf(descriptor: number, bytes: number): string {
  const buffer = Buffer.alloc(bytes);
  return buffer.toString("utf8", 0, readSync(descriptor, buffer, 0, bytes, 0));
}

function assertHead(file: string, descriptor: number, head: string, otherHead: string): void {
  if (beginningOf(descriptor, Buffer.byteLength(head)) === head) return;
  throw new MagdiError("MAGDI_BAD_CONFIG", `${file}: ${otherHead}`);
}

/** Complete lines from the byte `from` on, which is the second line or a known line's first byte. */
function* linesFrom(file: string, descriptor: number, from: number): Generator<PlacedLine> {
  const piece = Buffer.alloc(PIECE_BYTES);
  let begun: Buffer[] = [];
  let offset = from;
  let number = 2;
  for (let at = from; ; ) {
    const count = readSync(descriptor, piece, 0, PIECE_BYTES, at);
    if (count === 0) return;
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0 && end < count; end = piece.indexOf(NEWLINE, start)) {
      const text = Buffer.concat([...begun, piece.subarray(start, end)]).toString("utf8");
      start = end + 1;
      begun = [];
      yield { text, offset, end: at + start, where: `${file}:${number}` };
      offset = at + start;
      number += 1;
    }
    if (start < count) begun.push(Buffer.from(piece.subarray(start, count)));
    at += count;
  }
}
