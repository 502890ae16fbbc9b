// The response to a question, from its closed vote and ledger. It knows no engine at work and no metrics.

import type { Task } from "../../answers/task.ts";
import type { GenerationResult, GenerationTiming, SampleResult } from "../../engine/request.ts";
import type { Baseline } from "../../voting/baselines.ts";
import type { Ledger } from "../../voting/ledger.ts";
import type { SampleReport, VoteResult } from "../../voting/voter.ts";
import { apiFinishReason } from "../finish.ts";
import type { ReasonResponse } from "./schema.ts";

export interface ClosedQuestion {
  readonly id: string;
  readonly model: string;
  readonly task: Task;
  readonly seed: number;
  readonly baseline: Baseline;
  readonly vote: VoteResult;
  /** True when the samples were ended before the vote was settled. */
  readonly aborted: boolean;
  readonly ledger: Ledger;
  readonly result: GenerationResult;
  readonly returnSamples: boolean;
}

export function reasonResponseOf(closed: ClosedQuestion): ReasonResponse {
  const { vote, ledger, aborted } = closed;
  const usage = ledger.usage();
  return {
    id: closed.id,
    model: closed.model,
    task: closed.task,
    answer: vote.answer,
    reasoning: vote.reasoning,
    votes: [...vote.votes],
    decided_at: vote.decided_at,
    stop_reason: aborted ? "abort" : vote.stop_reason,
    ...(closed.returnSamples ? { samples: samplesOf(vote.samples, closed.result.samples) } : {}),
    usage,
    comparison: ledger.comparison(closed.baseline),
    timing: timingOf(closed.result.timing, usage.completion_tokens),
    seed: closed.seed,
  };
}

function samplesOf(
  reports: readonly SampleReport[],
  results: readonly SampleResult[],
): NonNullable<ReasonResponse["samples"]> {
  const finishReasons = new Map(
    results.map((result) => [result.index, apiFinishReason(result.finishReason)]),
  );
  return reports.map((report) => ({
    ...report,
    logprob_mean: Number.isFinite(report.logprob_mean) ? report.logprob_mean : null,
    finish_reason: finishReasons.get(report.index) ?? "abort",
  }));
}

function timingOf(timing: GenerationTiming, tokens: number): ReasonResponse["timing"] {
  const { submittedMs, prefillStartMs, prefillEndMs, firstTokenMs, endMs } = timing;
  const decodeMs = prefillEndMs === null ? null : endMs - prefillEndMs;
  return {
    queue_ms: rounded((prefillStartMs ?? endMs) - submittedMs),
    prefill_ms:
      prefillStartMs === null || prefillEndMs === null ? null : rounded(prefillEndMs - prefillStartMs),
    decode_ms: decodeMs === null ? null : rounded(decodeMs),
    first_token_ms: firstTokenMs === null ? null : rounded(firstTokenMs - submittedMs),
    total_ms: rounded(endMs - submittedMs),
    tokens_per_second: decodeMs === null || decodeMs <= 0 ? null : rounded((tokens / decodeMs) * 1000),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
