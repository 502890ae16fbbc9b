// The journal of a run's calls: a line for each attempt, written before its answer is used, so that no answer is paid
// for twice. It knows nothing of debates.

import { z } from "zod";
import type { AppendLog } from "../base/files/append-log.ts";
import { openJournal } from "../base/files/journal.ts";

const callSchema = z.strictObject({
  dataset: z.string(),
  id: z.string(),
  round: z.int().min(0),
  agent: z.string(),
  /** From 0, over all sessions. */
  attempt: z.int().min(0),
  /** ISO 8601. */
  started: z.string(),
  ms: z.number(),
  seed: z.int(),
  request: z.unknown(),
  /** The raw answer; null if none came whole. */
  response: z.unknown(),
  /** The HTTP status of a failure; null where none came. */
  status: z.int().nullable(),
  /** Why there is no answer; null for an answer. */
  error: z.string().nullable(),
  /** An answer, or the last attempt: nothing is asked here again. */
  final: z.boolean(),
  /** Null where the agent does not say. */
  prompt_tokens: z.int().nullable(),
  completion_tokens: z.int().nullable(),
  /** At the prices of then; null without prices or tokens. */
  usd: z.number().nullable(),
});

export type CallLine = z.output<typeof callSchema>;
export type CallKey = Pick<CallLine, "dataset" | "id" | "round" | "agent">;

/** The first line. Another number is another format. */
const HEAD = { magdi_debate_journal: 1 };

export class CallJournal {
  /** Those of earlier sessions too. */
  readonly lines: CallLine[];
  readonly #log: AppendLog;
  readonly #final = new Map<string, CallLine>();
  readonly #attempts = new Map<string, number>();

  private constructor(log: AppendLog, lines: CallLine[]) {
    this.#log = log;
    this.lines = [];
    for (const line of lines) this.#index(line);
  }

  /**
   * Continues the journal at `path`, or begins it.
   * @throws MagdiError MAGDI_BAD_CONFIG for another file, MAGDI_BAD_FILE, MAGDI_NOT_WRITTEN
   */
  static open(path: string, { fresh }: { readonly fresh: boolean }): CallJournal {
    const { log, lines } = openJournal(path, {
      head: HEAD,
      line: callSchema,
      lineName: "a call",
      otherHead: "expected a journal of debates, found another file; name another --out",
      fresh,
    });
    return new CallJournal(log, lines);
  }

  /** @throws MAGDI_NOT_WRITTEN */
  add(line: CallLine): void {
    this.#log.append(line);
    this.#index(line);
  }

  /** The call's outcome, an answer or its last failure; undefined when it is still to be made. */
  outcome(key: CallKey): CallLine | undefined {
    return this.#final.get(nameOf(key));
  }

  /** How often it was attempted. */
  attempts(key: CallKey): number {
    return this.#attempts.get(nameOf(key)) ?? 0;
  }

  close(): void {
    this.#log.close();
  }

  #index(line: CallLine): void {
    const name = nameOf(line);
    this.lines.push(line);
    this.#attempts.set(name, line.attempt + 1);
    if (line.final) this.#final.set(name, line);
  }
}

function nameOf({ dataset, id, round, agent }: CallKey): string {
  return JSON.stringify([dataset, id, round, agent]);
}
