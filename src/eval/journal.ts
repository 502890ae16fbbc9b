// The answers of a run that is not finished, beside its output: a line for the run, then one for each answered
// question, in the order in which they came. A run that was cut goes on from it.

import { appendFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { type AnswerRecord, answerRecordSchema } from "./answer-record.ts";

const lineSchema = z.strictObject({
  /** Seconds since the work began or went on, and how often it had. */
  at: z.number(),
  session: z.number().int(),
  record: answerRecordSchema,
});

export type JournalLine = z.output<typeof lineSchema>;

export class Journal {
  readonly #path: string;
  readonly #lines: JournalLine[];
  readonly #session: number;

  private constructor(path: string, lines: JournalLine[]) {
    this.#path = path;
    this.#lines = lines;
    this.#session = (lines.at(-1)?.session ?? -1) + 1;
  }

  /**
   * Goes on with the journal at `path`, or begins it. `run` says what decides the answers: another run's journal is
   * not gone on with. A last line that was cut short is cut off, and nothing before it is written anew.
   * @throws MagdiError MAGDI_BAD_CONFIG for another run's, MAGDI_BAD_FILE for what is no journal
   */
  static open(path: string, run: object, { fresh }: { readonly fresh: boolean }): Journal {
    const head = JSON.stringify(run);
    const text = fresh || !existsSync(path) ? "" : readFileSync(path, "utf8");
    if (head.startsWith(text)) {
      // Nothing, or a beginning that was cut before any answer.
      writeFileSync(path, `${head}\n`);
      return new Journal(path, []);
    }
    const [first, ...rest] = text.split("\n");
    if (first !== head) {
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `${path}: expected the beginning of this run, found another model, questions or settings; --fresh starts over, or name another --json`,
      );
    }
    const whole = rest.slice(0, -1); // after the last newline stands nothing, or a line that was cut
    const lines = whole.map((line, index) => {
      try {
        return lineSchema.parse(JSON.parse(line));
      } catch (cause) {
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${path}:${index + 2}: expected an answer, found ${line.slice(0, 40)}`,
          { cause },
        );
      }
    });
    truncateSync(path, Buffer.byteLength(text.slice(0, text.lastIndexOf("\n") + 1)));
    return new Journal(path, lines);
  }

  get lines(): readonly JournalLine[] {
    return this.#lines;
  }

  add(record: AnswerRecord, at: number): void {
    const line: JournalLine = { at, session: this.#session, record };
    this.#lines.push(line);
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }

  /** The run is whole: what it came to is in its report. */
  remove(): void {
    rmSync(this.#path, { force: true });
  }
}
