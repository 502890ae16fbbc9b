// What a caller asks the engine for, and what it hears back. It knows tokens and text, nothing of HTTP, tasks
// or votes.

import type { CancelReason, FinishReason } from "../base/finish-reason.ts";

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
  /** Samples wanted of the one prompt. */
  readonly samples: number;
  readonly sampling: SamplingParams;
  /** Give up with MAGDI_QUEUE_TIMEOUT when prefill has not begun this long after submission. */
  readonly queueTimeoutMs: number;
  /** End all samples with "deadline" this long after submission. */
  readonly timeoutMs: number;
  /** True when the text goes on with the prompt's, so that it keeps a leading space. Default: it is a text of its own. */
  readonly continuesText?: boolean;
  /** Computed prompts are reused among the requests of one scope only. Default: the scope "". */
  readonly prefixScope?: string;
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
  /** Present when topLogprobs was asked for. */
  readonly detail: TokenLogprob | null;
}

export interface SampleResult {
  readonly index: number;
  /** All generated ids, an ending end-of-sequence token included. */
  readonly tokenIds: readonly number[];
  /** All text, equal to the concatenation of the sample's TokenEvent texts and `tail`. */
  readonly text: string;
  /** Text that was held back for a possible stop string or an unfinished character and came out at the end. */
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
  /** Prompt tokens that were computed rather than reused: prefilled once, whatever the number of samples. */
  readonly promptTokensComputed: number;
  /** Prompt tokens whose keys and values were there already. With the computed ones it is the whole prompt, unless
   * the request ended before its prefill did. */
  readonly promptTokensReused: number;
  readonly timing: GenerationTiming;
}

/** Called from the engine's loop between steps: return quickly, never throw. */
export interface GenerationListener {
  onPrefillStart?(): void;
  onToken?(event: TokenEvent): void;
  onSampleEnd?(result: SampleResult): void;
}

/** A request in the engine's hands. */
export interface Generation {
  readonly id: string;
  /** Resolves when every sample has ended, cancelled ones included; rejects with a MagdiError when the request
   * timed out in the queue (MAGDI_QUEUE_TIMEOUT), the engine failed (MAGDI_ENGINE_FAILED) or the model gave this
   * request numbers or tokens that make no sense (MAGDI_RUNTIME). Nobody has to handle the rejection. */
  readonly done: Promise<GenerationResult>;
  /** Ends the samples still running or waiting (all, or one by index): onSampleEnd is called from within, and the
   * next step computes nothing for them. Listeners may call it. Nothing happens to samples that have ended. */
  cancel(reason: CancelReason, sample?: number): void;
}

export interface EngineStats {
  readonly state: "ready" | "stalled" | "failed" | "closed";
  /** Requests whose prefill has not begun, and their samples. */
  readonly requestsWaiting: number;
  readonly samplesWaiting: number;
  /** Requests whose prefill has begun, and their samples that have not ended, with or without a row. */
  readonly requestsRunning: number;
  readonly samplesRunning: number;
  /** Cache tokens in use over cache tokens there are, kept prefixes not counted. */
  readonly kvCacheUsageRatio: number;
  /** Since the start: prompt tokens looked up in the prefix cache, and those among them that were reused. */
  readonly prefixQueriedTokens: number;
  readonly prefixHitTokens: number;
}

export interface StepReport {
  readonly phase: "prefill" | "decode";
  readonly rows: number;
  readonly tokens: number;
  readonly seconds: number;
}

/** What the server needs of an engine. */
export interface GenerationEngine {
  /** Prompt plus generated tokens of one sample. */
  readonly contextLength: number;
  readonly maxSamplesPerRequest: number;
  /** Throws MAGDI_QUEUE_FULL when `samples` more do not fit, and what submit throws when it takes nothing at all;
   * cheap, to be asked before tokenising. */
  assertRoom(samples: number): void;
  /** Throws MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH (details prompt_tokens, context_length), MAGDI_BAD_REQUEST (with
   * `param`, a field's name here), MAGDI_SHUTTING_DOWN or MAGDI_ENGINE_FAILED; maxTokens is clamped to what the
   * context leaves. The listener is never called from within submit. */
  submit(request: GenerationRequest, listener?: GenerationListener): Generation;
  stats(): EngineStats;
  /** Ends running samples with "shutdown" and frees everything. Idempotent. */
  close(): Promise<void>;
}
