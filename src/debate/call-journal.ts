// The journal of a run's calls: a line for each attempt, written before its answer is used, so that no answer is paid
// for twice. The lines stay on disk: memory has the place of each call's outcome. It knows nothing of debates.

import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { type PlacedLine, PlacedLog, readPlacedLog } from "../base/files/placed-log.ts";

const callSchema = z.strictObject({
  dataset: z.string(),
  id: z.string(),
  round: z.int().min(0),
  agent: z.string(),
  /** Of self-consistency, from 1; absent in a debate's own calls, of which that of round 0 is sample 0. */
  sample: z.int().min(1).optional(),
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
/** What is kept of a call in memory. */
export type CallFacts = Omit<CallLine, "request" | "response">;
export type CallKey = Pick<CallLine, "dataset" | "id" | "round" | "agent" | "sample">;

const FILE = {
  /** The first line. Another number is another format. */
  head: { magdi_debate_journal: 1 },
  otherHead: "expected a journal of debates, found another file; name another --out",
};

export class CallJournal {
  readonly #log: PlacedLog;
  /** Where the line of a call's outcome begins. */
  readonly #outcomes = new Map<string, number>();
  /** How often a call was attempted that has no outcome yet. */
  readonly #attempts = new Map<string, number>();

  private constructor(path: string, fresh: boolean) {
    this.#log = PlacedLog.open(path, { ...FILE, fresh }, (line) => this.#index(parsed(line), line.offset));
  }

  /**
   * Continues the journal at `path`, or begins it.
   * @throws MagdiError MAGDI_BAD_CONFIG for another file, MAGDI_BAD_FILE, MAGDI_NOT_WRITTEN
   */
  static open(path: string, { fresh }: { readonly fresh: boolean }): CallJournal {
    return new CallJournal(path, fresh);
  }

  /** All attempts, those of earlier sessions too, read from the file one by one. */
  get lines(): Iterable<CallLine> {
    return parsedLines(this.#log.lines());
  }

  /** @throws MAGDI_NOT_WRITTEN */
  add(line: CallLine): void {
    this.#index(line, this.#log.append(line));
  }

  /** The call's outcome, an answer or its last failure; undefined when it is still to be made. */
  outcome(key: CallKey): CallLine | undefined {
    const offset = this.#outcomes.get(nameOf(key));
    return offset === undefined ? undefined : parsed(this.#log.read(offset));
  }

  /** How often it was attempted. */
  attempts(key: CallKey): number {
    const outcome = this.outcome(key);
    return outcome === undefined ? (this.#attempts.get(nameOf(key)) ?? 0) : outcome.attempt + 1;
  }

  close(): void {
    this.#log.close();
  }

  #index(line: CallLine, offset: number): void {
    const name = nameOf(line);
    if (line.final) {
      this.#outcomes.set(name, offset);
      this.#attempts.delete(name);
    } else this.#attempts.set(name, line.attempt + 1);
  }
}

/** The calls of a journal that is left as it is. @throws MAGDI_FILE_MISSING, MAGDI_BAD_CONFIG, MAGDI_BAD_FILE */
export function readCalls(path: string): Iterable<CallLine> {
  return parsedLines(readPlacedLog(path, FILE));
}

/** A call without its texts. */
export function factsOf({ request: _, response: __, ...facts }: CallLine): CallFacts {
  return facts;
}

function* parsedLines(lines: Iterable<PlacedLine>): Generator<CallLine> {
  for (const line of lines) yield parsed(line);
}

function parsed({ text, where }: PlacedLine): CallLine {
  try {
    return callSchema.parse(JSON.parse(text));
  } catch (cause) {
    const found = text.slice(0, 40);
    throw new MagdiError("MAGDI_BAD_FILE", `${where}: expected a call, found ${found}`, { cause });
  }
}

function nameOf({ dataset, id, round, agent, sample }: CallKey): string {
  return JSON.stringify([dataset, id, round, agent, ...(sample === undefined ? [] : [sample])]);
}
