// The journal of an unfinished run, from which it can be continued: a line for the run, then one for each answered
// question in the order of the answers.

import { rmSync } from "node:fs";
import { z } from "zod";
import type { AppendLog } from "../base/files/append-log.ts";
import { openJournal } from "../base/files/journal.ts";
import { type AnswerRecord, answerRecordSchema } from "./answer-record.ts";

const lineSchema = z.strictObject({
  /** Seconds since this session began, and the session's number. */
  at: z.number(),
  session: z.number().int(),
  record: answerRecordSchema,
});

export type JournalLine = z.output<typeof lineSchema>;

export class Journal {
  /** Those of earlier sessions too. */
  readonly lines: JournalLine[];
  readonly #path: string;
  readonly #log: AppendLog;
  readonly #session: number;

  private constructor(path: string, log: AppendLog, lines: JournalLine[]) {
    this.lines = lines;
    this.#path = path;
    this.#log = log;
    this.#session = (lines.at(-1)?.session ?? -1) + 1;
  }

  /**
   * Continues the journal at `path`, or begins it. `run` is what decides the answers: the journal of another run is
   * refused.
   * @throws MagdiError MAGDI_BAD_CONFIG for another run's journal, MAGDI_BAD_FILE, MAGDI_NOT_WRITTEN
   */
  static open(path: string, run: object, { fresh }: { readonly fresh: boolean }): Journal {
    const { log, lines } = openJournal(path, {
      head: run,
      line: lineSchema,
      lineName: "an answer",
      otherHead:
        "expected the beginning of this run, found another model, questions or settings; --fresh starts over, or name another --json",
      fresh,
    });
    return new Journal(path, log, lines);
  }

  /** @throws MAGDI_NOT_WRITTEN */
  add(record: AnswerRecord, at: number): void {
    const line: JournalLine = { at, session: this.#session, record };
    this.lines.push(line);
    this.#log.append(line);
  }

  close(): void {
    this.#log.close();
  }

  /** Deletes it, when the report is written. Only after close. */
  remove(): void {
    rmSync(this.#path, { force: true });
  }
}
