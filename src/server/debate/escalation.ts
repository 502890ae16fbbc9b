// A question that goes to the agents because the student is not sure enough of its answer: when it does, and what the
// response is then. Whatever keeps the debate from being held, the student's answer remains.
import { canonicalAnswer } from "../../answers/answer.ts";
import type { AskRecord } from "../../asking/ask.ts";
import type { ResolvedQuestion } from "../../asking/question.ts";
import { type ErrorCode, MagdiError } from "../../base/errors.ts";
import type { CancelReason } from "../../base/finish-reason.ts";
import { comparisonWith } from "../../voting/ledger.ts";
import { confidenceOf } from "../../voting/vote.ts";
import type { Caller } from "../access/caller.ts";
import { newId, type ServingContext } from "../app-context.ts";
import type { EscalationOutcome } from "../observation/debate-metrics.ts";
import type { ReasonFrame } from "../reason/frames.ts";
import type { ReasonRequest, ReasonResponse } from "../reason/schema.ts";
import type { EscalationFailure } from "./account-schema.ts";
import { accountOf, debateFrame, debateListener, usageOf } from "./debate-response.ts";
import type { Debates, EndedDebate, RunningDebate } from "./debates.ts";

type Rule = NonNullable<ReasonRequest["escalate"]>;
type Account = NonNullable<ReasonResponse["escalated"]>;

export interface EscalationParts {
  /** The question's, which its frames have. */
  readonly id: string;
  readonly context: ServingContext;
  readonly caller: Caller;
  /** Null for a question that is not to be escalated. */
  readonly debates: Debates | null;
  readonly question: ResolvedQuestion;
  onFrame(frame: ReasonFrame): void;
}

export class Escalation {
  readonly #parts: EscalationParts;
  #running: RunningDebate | null = null;

  constructor(parts: EscalationParts) {
    this.#parts = parts;
  }

  cancel(reason: CancelReason): void {
    this.#running?.cancel(reason);
  }

  enough(): void {
    this.#running?.enough();
  }

  /** The student's response, or the debate's answer in it. */
  async answer(own: ReasonResponse, record: AskRecord, rule: Rule): Promise<ReasonResponse> {
    const { debates, id, onFrame } = this.#parts;
    const doubt = doubtOf(record, rule);
    const isAway = record.end === "disconnect" || record.end === "cancelled";
    if (doubt === null || debates === null || isAway) return { ...own, escalated: null };
    const { answer, reasoning, votes } = own;
    const account = { ...doubt, from: { answer, reasoning, votes }, id: null, usage: null, debate: null };
    onFrame({ type: "escalate", id, ...doubt });
    const debateId = newId("debate");
    try {
      const ended = await this.#held(debates);
      return this.#debated(own, { ...account, failed: null, id: debateId }, ended, debates);
    } catch (error) {
      const failed = this.#failed(error);
      const cost = this.#running?.cost ?? null;
      const usage = cost === null ? null : usageOf(cost);
      const begun = this.#running === null ? null : debateId;
      return this.#withCost({ ...own, escalated: { ...account, failed, id: begun, usage } });
    }
  }

  #held(debates: Debates): Promise<EndedDebate> {
    const { id, context, caller, question, onFrame } = this.#parts;
    context.lifecycle.assertTakesWork();
    const { question: text, task, choices, passage, sampling } = question;
    const debate = {
      question: { question: text, task, choices, passage },
      rounds: context.config.debateRounds,
      seed: sampling.seed,
    };
    this.#running = debates.begin(
      { ...debate, vote: "rescaled", account: caller.account, purpose: "escalation" },
      debateListener(id, onFrame),
    );
    context.lifecycle.track(this.#running);
    onFrame(debateFrame(id, debate, debates.team));
    return this.#running.done;
  }

  #debated(
    own: ReasonResponse,
    account: Account,
    { held, totalMs }: EndedDebate,
    { team }: Debates,
  ): ReasonResponse {
    const escalated = { ...account, usage: usageOf(held.cost), debate: accountOf(held, team) };
    const total_ms = own.timing.total_ms + Math.round(totalMs * 1000) / 1000;
    const response = { ...own, timing: { ...own.timing, total_ms }, escalated };
    const { answer, reasoning, votes } = held;
    if (answer === null) {
      this.#count("no_answer");
      return this.#withCost({ ...response, escalated: { ...escalated, failed: "no_answer" } });
    }
    this.#count(this.#isSame(own.answer, answer) ? "kept" : "changed");
    return this.#withCost({ ...response, answer, reasoning, votes: [...votes] });
  }

  /** Compares with a baseline what student and agents took together. */
  #withCost(response: ReasonResponse): ReasonResponse {
    const { baseline } = this.#parts.question;
    const tokens = response.usage.total_tokens + (response.escalated?.usage?.total_tokens ?? 0);
    return { ...response, comparison: comparisonWith(baseline, tokens) };
  }

  #isSame(own: string | null, debated: string): boolean {
    const { task, choices } = this.#parts.question;
    const keyOf = (answer: string) => canonicalAnswer(task, answer, { choices });
    return own !== null && keyOf(own) === keyOf(debated);
  }

  #failed(error: unknown): EscalationFailure {
    const isCancelled = error instanceof MagdiError && error.code === "MAGDI_CANCELLED";
    const failure = (error instanceof MagdiError && FAILURES[error.code]) || "failed";
    if (failure === "failed" && !isCancelled) this.#parts.debates?.failed(error);
    this.#count(isCancelled ? "cancelled" : failure);
    return failure;
  }

  #count(outcome: EscalationOutcome): void {
    this.#parts.context.metrics.debates.countEscalation(this.#parts.question.task, outcome);
  }
}

const FAILURES: Partial<Record<ErrorCode, EscalationFailure>> = {
  MAGDI_QUEUE_FULL: "queue_full",
  MAGDI_QUEUE_TIMEOUT: "queue_timeout",
  MAGDI_DEBATE_BUDGET: "budget",
  MAGDI_AGENTS_FAILED: "agents_failed",
  MAGDI_SHUTTING_DOWN: "shutting_down",
};

/** What of the student's answer is under the bound; null if it is sure enough. */
function doubtOf(
  record: AskRecord,
  { below, by }: Rule,
): Pick<Account, "reason" | "share" | "confidence"> | null {
  const { answer, votes } = record;
  if (answer === null) return { reason: "no_answer", share: 0, confidence: null };
  const share = votes[0]?.share ?? 0;
  const confidence = speakerConfidence(record);
  const sure = by === "share" ? share : confidence;
  return sure < below ? { reason: by, share, confidence } : null;
}

/** Of the sample that speaks for the answer: of those with its text the most confident. */
function speakerConfidence({ samples, reasoning }: AskRecord): number {
  return Math.max(
    0,
    ...samples.filter(({ text }) => text === reasoning).map(({ logprobMean }) => confidenceOf(logprobMean)),
  );
}
