// Refuses requests that make no sense to the engine, each with the field to blame. It knows limits, no state.

import { MagdiError } from "../base/errors.ts";
import type { GenerationRequest } from "./request.ts";

export interface RequestLimits {
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly maxSamplesPerRequest: number;
}

export const MAX_TOP_LOGPROBS = 20;

/** Throws MAGDI_BAD_REQUEST with `param`, or MAGDI_CONTEXT_LENGTH when the prompt leaves no room for one token. */
export function checkRequest(request: GenerationRequest, limits: RequestLimits): void {
  const { sampling, promptTokens } = request;
  const { contextLength, vocabSize, maxSamplesPerRequest } = limits;
  const isToken = (id: number) => Number.isInteger(id) && id >= 0 && id < vocabSize;

  expect(isCount(request.samples, 1) && request.samples <= maxSamplesPerRequest, "samples", request.samples, {
    expected: `an integer from 1 to ${maxSamplesPerRequest}`,
  });
  expect(promptTokens.length > 0, "promptTokens", "none", { expected: "at least one token" });
  const stranger = promptTokens.find((id) => !isToken(id));
  expect(stranger === undefined, "promptTokens", stranger, { expected: `token ids below ${vocabSize}` });
  expect(request.queueTimeoutMs >= 0, "queueTimeoutMs", request.queueTimeoutMs, { expected: "0 or more" });
  expect(request.timeoutMs > 0, "timeoutMs", request.timeoutMs, { expected: "more than 0" });

  const { temperature, topK, topP, minP, maxTokens, minTokens, seed, topLogprobs, stop } = sampling;
  expect(Number.isFinite(temperature) && temperature >= 0, "temperature", temperature, {
    expected: "a finite number, 0 or more",
  });
  expect(isCount(topK, 0), "topK", topK, { expected: "an integer, 0 or more" });
  expect(topP > 0 && topP <= 1, "topP", topP, { expected: "a number above 0, at most 1" });
  expect(minP >= 0 && minP <= 1, "minP", minP, { expected: "a number from 0 to 1" });
  expect(isCount(maxTokens, 1), "maxTokens", maxTokens, { expected: "an integer, 1 or more" });
  expect(isCount(minTokens, 0), "minTokens", minTokens, { expected: "an integer, 0 or more" });
  expect(isCount(seed, 0), "seed", seed, { expected: "an unsigned integer of at most 53 bits" });
  expect(
    topLogprobs === null || (isCount(topLogprobs, 0) && topLogprobs <= MAX_TOP_LOGPROBS),
    "topLogprobs",
    topLogprobs,
    {
      expected: `null or an integer from 0 to ${MAX_TOP_LOGPROBS}`,
    },
  );
  expect(!stop.includes(""), "stop", "an empty string", { expected: "strings of at least one character" });
  for (const [id, bias] of sampling.logitBias) {
    expect(isToken(id), "logitBias", id, { expected: `token ids below ${vocabSize}` });
    expect(Number.isFinite(bias), "logitBias", bias, { expected: "finite numbers" });
  }

  checkPromptLength(promptTokens.length, contextLength);
}

/** Throws MAGDI_CONTEXT_LENGTH (details prompt_tokens, context_length) when a prompt leaves no room for one token. */
export function checkPromptLength(promptTokens: number, contextLength: number): void {
  if (promptTokens >= contextLength) throw promptTooLong(promptTokens, contextLength);
}

/** MAGDI_CONTEXT_LENGTH as checkPromptLength throws it; `bound` is for a prompt that was not counted to the end. */
export function promptTooLong(
  promptTokens: number,
  contextLength: number,
  bound: "at least" | null = null,
): MagdiError {
  const found = bound === null ? promptTokens : `${bound} ${promptTokens}`;
  return new MagdiError(
    "MAGDI_CONTEXT_LENGTH",
    `the prompt has ${found} tokens: expected at most ${contextLength - 1}, as the context of ` +
      `${contextLength} tokens must hold at least one generated token; shorten the prompt`,
    { param: "promptTokens", details: { prompt_tokens: promptTokens, context_length: contextLength } },
  );
}

/** A safe integer of at least `least`. */
function isCount(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

function expect(holds: boolean, param: string, found: unknown, { expected }: { expected: string }): void {
  if (holds) return;
  throw new MagdiError("MAGDI_BAD_REQUEST", `${param}: expected ${expected}, found ${found}`, { param });
}
