// A generation request, its results and events, the engine's interface, and the checks of a request.

import { MagdiError } from "../base/errors.ts";

import type { CancelReason, FinishReason } from "../base/finish-reason.ts";
import type { EngineCaller } from "./fair-shares.ts";

/** How one sample's tokens are chosen. Order of filters: bias, temperature, top-k, top-p, min-p (as Transformers). */
export interface SamplingParams {
  /** 0 is greedy: the first of the most likely tokens. */
  readonly temperature: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the fewest tokens whose probabilities reach topP; 1 keeps all. */
  readonly topP: number;
  /** Drop tokens less likely than minP times the most likely one; 0 drops none. */
  readonly minP: number;
  readonly maxTokens: number;
  /** End-of-sequence tokens cannot be chosen before this many tokens, and stop strings are looked for only in the
   * text that follows them (as in vLLM). */
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  readonly stop: readonly string[];
  /** With the sample's index it seeds the sample's own generator. An unsigned 53-bit integer. */
  readonly seed: number;
  /** How many alternatives are reported with each token; null reports no log-probabilities. */
  readonly topLogprobs: number | null;
  readonly logitBias: ReadonlyMap<number, number>;
}

export interface GenerationRequest {
  readonly id: string;
  /** Token ids [T], at least one. */
  readonly promptTokens: Int32Array;
  /** Samples of the one prompt. */
  readonly samples: number;
  /** How many of them start by themselves; the others wait for Generation.start. Default: all. */
  readonly startSamples?: number;
  readonly sampling: SamplingParams;
  /** Fail with MAGDI_QUEUE_TIMEOUT when the prefill has not begun this long after submission. */
  readonly queueTimeoutMs: number;
  /** End all samples with "deadline" this long after submission. */
  readonly timeoutMs: number;
  /** True when the text continues the prompt's, so that it keeps a leading space. Default false. */
  readonly continuesText?: boolean;
  /** The prefix cache is shared among the requests of one scope only. Default: the scope "". */
  readonly prefixScope?: string;
  /** Who shares the model with others. Default: the same for all requests. */
  readonly caller?: EngineCaller;
}

export interface TokenLogprob {
  readonly tokenId: number;
  readonly logprob: number;
  /** The most likely tokens at this position, best first; length topLogprobs. */
  readonly top: readonly { readonly tokenId: number; readonly logprob: number }[];
}

export interface TokenEvent {
  readonly sample: number;
  readonly tokenId: number;
  /** Natural log of the token's probability under the model's unmodified distribution (temperature 1, no filter). */
  readonly logprob: number;
  /** Text that became certain with this token: whole characters, never part of a stop string; may be empty. */
  readonly text: string;
  /** Null without topLogprobs. */
  readonly detail: TokenLogprob | null;
}

export interface SampleResult {
  readonly index: number;
  /** All generated ids, an ending end-of-sequence token included. */
  readonly tokenIds: readonly number[];
  /** All text, equal to the concatenation of the sample's TokenEvent texts and `tail`. */
  readonly text: string;
  /** Text held back until the end, for a possible stop string or an incomplete character. */
  readonly tail: string;
  readonly finishReason: FinishReason;
  /** The stop string that ended the sample, if one did. */
  readonly stopString: string | null;
  /** Sum of the tokens' log-probabilities; the mean's exponential is the sample's confidence. */
  readonly logprobSum: number;
  readonly logprobs: readonly TokenLogprob[] | null;
}

/** Milliseconds on the engine's clock; null when the stage was never reached. */
export interface GenerationTiming {
  readonly submittedMs: number;
  readonly prefillStartMs: number | null;
  readonly prefillEndMs: number | null;
  readonly firstTokenMs: number | null;
  readonly endMs: number;
}

export interface GenerationResult {
  /** One for each sample asked for, by index; a sample cancelled before its first token has no tokens. */
  readonly samples: readonly SampleResult[];
  readonly promptTokens: number;
  /** Prompt tokens that were prefilled, once for all samples. */
  readonly promptTokensComputed: number;
  /** Prompt tokens from the prefix cache. With the computed ones they are the whole prompt, unless the request ended
   * before its prefill did. */
  readonly promptTokensReused: number;
  readonly timing: GenerationTiming;
}

/** Called from the engine's loop between steps: return quickly, never throw. */
export interface GenerationListener {
  onPrefillStart?(): void;
  onToken?(event: TokenEvent): void;
  onSampleEnd?(result: SampleResult): void;
}

/** A submitted request. */
export interface Generation {
  readonly id: string;
  /** Resolves when every sample has ended, cancelled ones included; rejects with a MagdiError when the request timed
   * out in the queue (MAGDI_QUEUE_TIMEOUT) or left it for another caller's (MAGDI_QUEUE_FULL), the engine failed (MAGDI_ENGINE_FAILED) or the model's output for this
   * request was NaN or no text (MAGDI_RUNTIME). An unhandled rejection is ignored. */
  readonly done: Promise<GenerationResult>;
  /** Ends the samples still running or waiting (all, or one by index): onSampleEnd is called before this returns, and
   * the next step computes nothing for them. Listeners may call it. No effect on samples that have ended. */
  cancel(reason: CancelReason, sample?: number): void;
  /** Starts the samples below `samples` that have not started, before the next step. Listeners may call it. */
  start(samples: number): void;
}

export interface EngineStats {
  readonly state: "ready" | "stalled" | "failed" | "closed";
  /** Requests whose prefill has not begun, and their samples. */
  readonly requestsWaiting: number;
  readonly samplesWaiting: number;
  /** Requests whose prefill has begun, and their samples that have started and not ended, with or without a row. */
  readonly requestsRunning: number;
  readonly samplesRunning: number;
  /** Share of the KV cache's tokens in use, without the prefix cache. */
  readonly kvCacheUsageRatio: number;
  /** Since the start: prompt tokens looked up in the prefix cache, and how many of them were found. */
  readonly prefixQueriedTokens: number;
  readonly prefixHitTokens: number;
  /** Since the start: decode rows that samples gave back to a caller below its share. */
  readonly preemptions: number;
  /** Since the start: tokens computed anew because their row had been given back, or for samples that started later. */
  readonly recomputedTokens: number;
  /** Since the start: drafted tokens that were checked, and those that were right. */
  readonly draftedTokens: number;
  readonly acceptedDraftTokens: number;
}

export interface StepReport {
  readonly phase: "prefill" | "decode";
  readonly rows: number;
  readonly tokens: number;
  readonly seconds: number;
}

/** An engine as the server sees it. */
export interface GenerationEngine {
  /** Most tokens of a prompt and one generated sample together. */
  readonly contextLength: number;
  readonly maxSamplesPerRequest: number;
  /** Throws MAGDI_QUEUE_FULL when `samples` more of the caller's do not fit, or what submit throws when the engine takes
   * no requests; cheap, to call before tokenising. */
  assertRoom(samples: number, caller?: EngineCaller): void;
  /** A full queue makes room for a caller with fewer samples in it: others' requests are rejected with
   * MAGDI_QUEUE_FULL then. Throws MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH (details prompt_tokens, context_length), MAGDI_BAD_REQUEST (with
   * `param`, a field's name here), MAGDI_SHUTTING_DOWN or MAGDI_ENGINE_FAILED; maxTokens is clamped to what is left of
   * the context. The listener is never called before submit returns. */
  submit(request: GenerationRequest, listener?: GenerationListener): Generation;
  stats(): EngineStats;
  /** Ends running samples with "shutdown" and frees everything. Idempotent. */
  close(): Promise<void>;
}

export interface RequestLimits {
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly maxSamplesPerRequest: number;
  /** Names a token in an error. */
  readonly tokenText: (id: number) => string;
}

export const MAX_TOP_LOGPROBS = 20;

/** Throws MAGDI_BAD_REQUEST with `param`, or MAGDI_CONTEXT_LENGTH when the prompt leaves no room for one token. */
export function checkRequest(request: GenerationRequest, limits: RequestLimits): void {
  const { samples, startSamples = samples, promptTokens, queueTimeoutMs, timeoutMs, sampling } = request;
  const { temperature, topK, topP, minP, maxTokens, minTokens, seed, topLogprobs, stop, logitBias } =
    sampling;
  const { contextLength, vocabSize, maxSamplesPerRequest } = limits;
  const isToken = (id: number) => Number.isInteger(id) && id >= 0 && id < vocabSize;
  const fail = (param: string, expected: string, found: unknown): never => {
    throw new MagdiError("MAGDI_BAD_REQUEST", `${param}: expected ${expected}, found ${found}`, { param });
  };
  if (!isCount(samples, 1, maxSamplesPerRequest)) {
    fail("samples", `an integer from 1 to ${maxSamplesPerRequest}`, samples);
  }
  if (!isCount(startSamples, 1, samples))
    fail("startSamples", `an integer from 1 to ${samples}`, startSamples);
  if (promptTokens.length === 0) fail("promptTokens", "at least one token", "none");
  const unknownId = promptTokens.find((id) => !isToken(id));
  if (unknownId !== undefined) {
    const found = `${unknownId} (${JSON.stringify(limits.tokenText(unknownId))})`;
    const message = `the prompt has a token that the student has no embedding of: expected ids below ${vocabSize}, found ${found}`;
    throw new MagdiError("MAGDI_BAD_REQUEST", message, { param: "promptTokens" });
  }
  if (!(queueTimeoutMs >= 0)) fail("queueTimeoutMs", "0 or more", queueTimeoutMs);
  if (!(timeoutMs > 0)) fail("timeoutMs", "more than 0", timeoutMs);
  if (!(Number.isFinite(temperature) && temperature >= 0)) {
    fail("temperature", "a finite number, 0 or more", temperature);
  }
  if (!isCount(topK, 0)) fail("topK", "an integer, 0 or more", topK);
  if (!(topP > 0 && topP <= 1)) fail("topP", "a number above 0, at most 1", topP);
  if (!(minP >= 0 && minP <= 1)) fail("minP", "a number from 0 to 1", minP);
  if (!isCount(maxTokens, 1)) fail("maxTokens", "an integer, 1 or more", maxTokens);
  if (!isCount(minTokens, 0)) fail("minTokens", "an integer, 0 or more", minTokens);
  if (!isCount(seed, 0)) fail("seed", "an unsigned integer of at most 53 bits", seed);
  if (topLogprobs !== null && !isCount(topLogprobs, 0, MAX_TOP_LOGPROBS)) {
    fail("topLogprobs", `null or an integer from 0 to ${MAX_TOP_LOGPROBS}`, topLogprobs);
  }
  if (stop.includes("")) fail("stop", "strings of at least one character", "an empty string");
  for (const [id, bias] of logitBias) {
    if (!isToken(id)) fail("logitBias", `token ids below ${vocabSize}`, id);
    if (!Number.isFinite(bias)) fail("logitBias", "finite numbers", bias);
  }
  checkPromptLength(promptTokens.length, contextLength);
}

/** Throws MAGDI_CONTEXT_LENGTH (details prompt_tokens, context_length) when a prompt leaves no room for one token. */
export function checkPromptLength(promptTokens: number, contextLength: number): void {
  if (promptTokens >= contextLength) throw promptTooLong(promptTokens, contextLength);
}

/** The error of checkPromptLength; `bound` for a prompt whose tokens were not all counted. */
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

function isCount(value: number, min: number, max = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}
