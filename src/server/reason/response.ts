// From asking's record and events to the response and frames of /v1/reason.
import type { AskEvent, AskRecord } from "../../asking/ask.ts";
import type { GenerationTiming } from "../../engine/request.ts";
import { wireFinishReason } from "../wire-finish-reason.ts";
import type { ReasonFrame } from "./frames.ts";
import type { ReasonRequest, ReasonResponse } from "./schema.ts";

/** The frame for an event of the request `id`. */
export function frameOf(event: AskEvent, id: string, model: string): ReasonFrame {
  switch (event.type) {
    case "accepted":
      return { ...event, id, model };
    case "token":
      return { ...event, id };
    case "sample": {
      const { type, sample, answer, finishReason } = event;
      return { type, id, sample, answer, finish_reason: wireFinishReason(finishReason) };
    }
    case "vote":
      return { ...event, id, votes: [...event.votes] };
  }
}

export function reasonResponseOf(
  record: AskRecord,
  { return_samples: withSamples, wave }: Pick<ReasonRequest, "return_samples" | "wave">,
): ReasonResponse {
  const { id, model, task, answer, reasoning, votes, usage, comparison, timing, seed } = record;
  return {
    id,
    model,
    task,
    answer,
    reasoning,
    votes: [...votes],
    decided_at: record.decidedAt,
    stop_reason: record.stopReason,
    ...(withSamples ? { samples: samplesOf(record) } : {}),
    ...(wave === undefined ? {} : { samples_run: record.samplesRun }),
    usage: {
      prompt_tokens: usage.promptTokens,
      prompt_tokens_computed: usage.promptTokensComputed,
      completion_tokens: usage.completionTokens,
      completion_tokens_discarded: usage.completionTokensDiscarded,
      total_tokens: usage.totalTokens,
    },
    comparison,
    timing: timingOf(timing, usage.completionTokens),
    seed,
  };
}

function samplesOf({ samples }: AskRecord): NonNullable<ReasonResponse["samples"]> {
  return samples.map(({ index, text, answer, tokens, logprobMean, finishReason }) => ({
    index,
    text,
    answer,
    tokens,
    logprob_mean: Number.isFinite(logprobMean) ? logprobMean : null,
    finish_reason: wireFinishReason(finishReason),
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
