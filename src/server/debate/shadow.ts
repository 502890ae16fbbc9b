// Debates in the background: of a share of the questions that the student answered, to count how often the agents agree
// with it, and to collect transcripts. It never holds up an answer, and drops what there is no room or money for.
import { createHash } from "node:crypto";
import { canonicalAnswer } from "../../answers/answer.ts";
import type { AskRecord } from "../../asking/ask.ts";
import type { ResolvedQuestion } from "../../asking/question.ts";
import { MagdiError } from "../../base/errors.ts";
import type { DebateMetrics, ShadowOutcome } from "../observation/debate-metrics.ts";
import type { DailyBudget } from "./daily-budget.ts";
import type { HeldDebate } from "./debate-team.ts";
import type { Debates, RunningDebate } from "./debates.ts";

/** Where transcripts go, a line each. */
export interface TranscriptLog {
  append(transcript: object): void;
  close(): void;
}

export interface ShadowParts {
  /** With places of their own. */
  readonly debates: Debates;
  readonly metrics: DebateMetrics;
  /** From 0 to 1. */
  readonly share: number;
  readonly rounds: number;
  readonly bound: DailyBudget;
  /** Null keeps none. */
  readonly log: TranscriptLog | null;
}

export class Shadow {
  readonly #parts: ShadowParts;
  readonly #running = new Set<RunningDebate>();
  readonly #followed = new Set<Promise<void>>();
  #stopped = false;

  constructor(parts: ShadowParts) {
    this.#parts = parts;
  }

  /** Called with every question that was answered; returns at once. */
  offer(question: ResolvedQuestion, record: AskRecord): void {
    if (record.answer === null || !isChosen(question, this.#parts.share)) return;
    // After the answer has been sent off.
    setImmediate(() => this.#begin(question, record));
  }

  /** Gives up what runs and waits, and takes no more. */
  stop(): void {
    this.#stopped = true;
    for (const debate of this.#running) debate.cancel("disconnect");
  }

  async close(): Promise<void> {
    this.stop();
    await Promise.all(this.#followed);
    this.#parts.log?.close();
  }

  #begin(question: ResolvedQuestion, record: AskRecord): void {
    const { debates, metrics, rounds, bound } = this.#parts;
    const { question: text, task, choices, passage, sampling } = question;
    try {
      if (this.#stopped) throw new MagdiError("MAGDI_CANCELLED", "the server takes no new work");
      const debate = debates.begin({
        question: { question: text, task, choices, passage },
        ...{ rounds, seed: sampling.seed, vote: "rescaled", account: null, purpose: "shadow", bound },
      });
      this.#running.add(debate);
      const followed = this.#follow(debate, question, record).finally(() => {
        this.#running.delete(debate);
        this.#followed.delete(followed);
      });
      this.#followed.add(followed);
    } catch (error) {
      metrics.countShadow(task, this.#failed(error));
    }
  }

  async #follow(debate: RunningDebate, question: ResolvedQuestion, record: AskRecord): Promise<void> {
    const { metrics, log, debates } = this.#parts;
    let outcome: ShadowOutcome;
    try {
      const { held } = await debate.done;
      outcome = outcomeOf(question, record, held);
      try {
        log?.append({ ...held.transcript(), student: studentOf(record) });
      } catch (error) {
        debates.failed(error); // a full disk does not end the comparison
      }
    } catch (error) {
      outcome = this.#failed(error);
    }
    metrics.countShadow(question.task, outcome);
  }

  #failed(error: unknown): ShadowOutcome {
    const code = error instanceof MagdiError ? error.code : null;
    if (code === "MAGDI_QUEUE_FULL" || code === "MAGDI_CANCELLED") return "dropped";
    if (code === "MAGDI_DEBATE_BUDGET") return "budget";
    if (code !== "MAGDI_AGENTS_FAILED") this.#parts.debates.failed(error);
    return "failed";
  }
}

/** By a hash: the same question with the same seed is always chosen, or never. */
export function isChosen(
  {
    question,
    choices,
    passage,
    sampling,
  }: Pick<ResolvedQuestion, "question" | "choices" | "passage"> & {
    readonly sampling: { readonly seed: number };
  },
  share: number,
): boolean {
  const hash = createHash("sha256").update(JSON.stringify([question, choices, passage, sampling.seed]));
  return hash.digest().readUInt32BE(0) / 2 ** 32 < share;
}

function outcomeOf(
  { task, choices }: ResolvedQuestion,
  { answer }: AskRecord,
  { answer: debated }: HeldDebate,
): ShadowOutcome {
  if (answer === null || debated === null) return "no_answer";
  const keyOf = (text: string) => canonicalAnswer(task, text, { choices });
  return keyOf(answer) === keyOf(debated) ? "agreed" : "disagreed";
}

function studentOf({ model, answer, votes }: AskRecord) {
  return { model, answer, share: votes[0]?.share ?? null };
}
