// An append-only file of JSON lines that a later run can continue; a truncated last line is dropped.

import { appendFileSync, closeSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { ONE_TEXT_BYTES, readRegularFile } from "./regular-file.ts";
import { writing } from "./write-errors.ts";

const NEWLINE = 10;

export class AppendLog {
  readonly #file: string;
  readonly #descriptor: number;
  readonly #remedy: string | undefined;

  private constructor(file: string, descriptor: number, remedy: string | undefined) {
    this.#file = file;
    this.#descriptor = descriptor;
    this.#remedy = remedy;
  }

  /**
   * Opens or creates the log. `keep` gets its complete lines and the unterminated tail, and returns how many lines to
   * keep; the rest is truncated. When `keep` throws, the file is unchanged. `remedy`: see `writing`.
   * @throws MAGDI_NOT_WRITTEN, and what `keep` throws
   */
  static open(
    file: string,
    keep: (lines: readonly string[], tail: string) => number,
    remedy?: string,
  ): AppendLog {
    return writing(
      file,
      () => {
        const descriptor = openSync(file, "a+");
        try {
          const bytes = readFileSync(descriptor);
          const { lines, tail } = linesIn(bytes);
          let end = 0;
          for (let kept = keep(lines, tail); kept > 0; kept--) end = bytes.indexOf(NEWLINE, end) + 1;
          if (end < bytes.length) ftruncateSync(descriptor, end);
        } catch (error) {
          closeSync(descriptor);
          throw error;
        }
        return new AppendLog(file, descriptor, remedy);
      },
      remedy,
    );
  }

  /** @throws MAGDI_NOT_WRITTEN; a partial line may remain, which the next `open` drops */
  append(line: object): void {
    // Not writeSync, which may write only part of the line.
    const text = `${JSON.stringify(line)}\n`;
    writing(this.#file, () => appendFileSync(this.#descriptor, text), this.#remedy);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The complete lines of a log, without a truncated last one. @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
export function readLogLines(file: string): string[] {
  return linesIn(readRegularFile(file, { maxBytes: ONE_TEXT_BYTES })).lines;
}

function linesIn(bytes: Buffer): { lines: string[]; tail: string } {
  const lines = bytes.toString("utf8").split("\n");
  const tail = lines.pop() ?? ""; // a split has at least one part
  return { lines, tail };
}
