// A file of JSON lines that grows while something runs, and that the next run goes on with: a last line that was cut
// short is cut off, and nothing before it is written anew. It does not know what the lines are.

import { appendFileSync, closeSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { writing } from "./disk-refusal.ts";

const NEWLINE = 10;

export class AppendLog {
  readonly #file: string;
  readonly #descriptor: number;
  /** What to do where the disk takes no more; see writing. */
  readonly #remedy: string | undefined;

  private constructor(file: string, descriptor: number, remedy: string | undefined) {
    this.#file = file;
    this.#descriptor = descriptor;
    this.#remedy = remedy;
  }

  /**
   * Opens or begins the log of `file`. `keep` is given its whole lines and the tail without an end, and says how many
   * of the lines stay; all behind them is cut off. When it throws, the file stays as it is.
   * @throws MAGDI_NOT_WRITTEN, and whatever `keep` throws
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

  /** @throws MAGDI_NOT_WRITTEN; the line may stand there in part, which the next to open it cuts off */
  append(line: object): void {
    // Not writeSync, which may write a part of the line and say so.
    const text = `${JSON.stringify(line)}\n`;
    writing(this.#file, () => appendFileSync(this.#descriptor, text), this.#remedy);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The whole lines of a log, without what a crash cut short. The file system's errors pass. */
export function readLogLines(file: string): string[] {
  return linesIn(readFileSync(file)).lines;
}

function linesIn(bytes: Buffer): { lines: string[]; tail: string } {
  const lines = bytes.toString("utf8").split("\n");
  const tail = lines.pop() ?? ""; // a split has one part at least
  return { lines, tail };
}
