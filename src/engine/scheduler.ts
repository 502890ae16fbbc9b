// Decides each step of the model and what its output means for the requests: continuous batching. It is a state
// machine with no promises and no timers: somebody else runs the steps and tells the time.

import { MagdiError } from "../base/errors.ts";
import type { ActiveRequest } from "./active-request.ts";
import { DecodeRows } from "./decode-rows.ts";
import type { ModelRunner, StepOutput } from "./model-runner.ts";
import type { PrefixCache } from "./prefix-cache.ts";
import { nextChunkTokens } from "./prompt-chunks.ts";
import { needsFullLogits, Sampler } from "./sampler.ts";
import type { Sequence } from "./sequence.ts";
import { WaitingLine } from "./waiting-line.ts";

/** The facts of a runner that scheduling rests on. */
export type RowModel = Omit<
  ModelRunner,
  "prefill" | "decode" | "newBlock" | "saveTokens" | "loadTokens" | "close"
>;

/** Tokens of a prompt that are computed even when all are known: one yields the logits, and one is never alone. */
const LEAST_COMPUTED_TOKENS = 2;

export interface Step {
  readonly phase: "prefill" | "decode";
  /** Rows of the step; 1 in prefill. */
  readonly rows: number;
  /** Prefill: the chunk's tokens [S]. Decode: one token a row [maxRows], `rows` of them meant. */
  readonly tokens: Int32Array;
  /** Tokens that each row holds already [maxRows], `rows` of them meant. */
  readonly pasts: Int32Array;
  readonly wantLogits: boolean;
}

/**
 * One prompt at a time is prefilled in the prompt row, a chunk after each decode step. Then its samples are forked
 * into decode rows as these are free; until the last one is, the prompt row stays theirs and the line waits.
 */
export class Scheduler {
  readonly #model: RowModel;
  readonly #prefixes: PrefixCache;
  readonly #sampler: Sampler;
  readonly #line: WaitingLine;
  readonly #rows: DecodeRows;
  /** Requests that have begun, in order. */
  #begun: ActiveRequest[] = [];
  /** The request that has the prompt row, and how many of its prompt's tokens the row holds. */
  #prompt: ActiveRequest | null = null;
  #prefilled = 0;
  /** How many of these may be kept: to a whole multiple of the model's cutTokens. */
  #reusable = 0;
  #lastPhase: "prefill" | "decode" = "decode";
  readonly #tokens: Int32Array;
  readonly #pasts: Int32Array;
  readonly #promptPast = new Int32Array(1);

  constructor(model: RowModel, maxWaitingSamples: number, prefixes: PrefixCache) {
    this.#model = model;
    this.#prefixes = prefixes;
    this.#sampler = new Sampler(model.vocabSize, model.candidateCount);
    this.#line = new WaitingLine(maxWaitingSamples);
    this.#rows = new DecodeRows(model);
    this.#tokens = new Int32Array(model.maxRows);
    this.#pasts = new Int32Array(model.maxRows);
  }

  /** Throws MAGDI_QUEUE_FULL when `samples` more do not fit. */
  assertRoom(samples: number): void {
    this.#line.assertRoom(samples);
  }

  /** Whether nobody stands before who comes now: what it waits for is the step that runs, and no turn. */
  get lineIsFree(): boolean {
    return this.#prompt === null && this.#line.requests.length === 0;
  }

  enqueue(request: ActiveRequest): void {
    this.#line.push(request);
  }

  /** To be told when a request has ended: one that waits leaves the line at once. */
  settled(request: ActiveRequest): void {
    this.#line.remove(request);
  }

  /** Every request that has not ended, in order. */
  liveRequests(): ActiveRequest[] {
    return [...this.#begun, ...this.#line.requests].filter((request) => !request.settled);
  }

  /** The next step, or null when there is nothing to do. Rows are settled here: holes filled, samples forked. */
  next(nowMs: number): Step | null {
    this.#expire(nowMs);
    this.#rows.compact();
    this.#forkSamples();
    if (this.#prompt === null) this.#beginNext(nowMs);
    this.#forget();

    const prompt = this.#prompt;
    const canPrefill = prompt !== null && this.#prefilled < prompt.promptTokens.length;
    if (canPrefill && (this.#rows.count === 0 || this.#lastPhase === "decode"))
      return this.#prefillStep(prompt);
    return this.#rows.count > 0 ? this.#decodeStep() : null;
  }

  /** Applies the output of the step that next() gave last. */
  complete(step: Step, output: StepOutput): void {
    this.#sampler.begin(output);
    if (step.phase === "decode") {
      // By request and sample rather than by row: what callers hear does not depend on where a sample lies.
      for (const request of this.#begun) {
        for (const sequence of request.sequences) {
          if (sequence.row >= 0 && !sequence.ended) this.#advance(request, sequence, sequence.row);
        }
      }
      return;
    }
    const prompt = this.#prompt;
    if (prompt !== null) this.#keepPrefix(prompt, step);
    if (prompt === null || prompt.settled || this.#prefilled < prompt.promptTokens.length) return;
    prompt.prefillEnded();
    // All first tokens at once: the output lasts only until the next step, and who ends here needs no row.
    for (const sequence of prompt.sequences) if (!sequence.ended) this.#advance(prompt, sequence, 0);
  }

  get requestsWaiting(): number {
    return this.#line.requests.length;
  }

  get samplesWaiting(): number {
    return this.#line.samples;
  }

  get requestsRunning(): number {
    let requests = 0;
    for (const request of this.#begun) if (!request.settled) requests++;
    return requests;
  }

  get samplesRunning(): number {
    let samples = 0;
    for (const request of this.#begun) samples += request.liveSamples;
    return samples;
  }

  /** Cache tokens in use over cache tokens there are, the prompt row included. */
  get cacheUsage(): number {
    const capacity = (this.#model.maxRows + 1) * this.#model.contextLength;
    return (this.#rows.cachedTokens() + (this.#prompt === null ? 0 : this.#prefilled)) / capacity;
  }

  /** Ends what has run out of time, also when a late timer has not said so yet. */
  #expire(nowMs: number): void {
    for (const request of this.#begun) {
      if (nowMs - request.submittedMs >= request.request.timeoutMs) request.cancel("deadline");
    }
  }

  #beginNext(nowMs: number): void {
    for (let request = this.#line.shift(); request !== null; request = this.#line.shift()) {
      const waitedMs = nowMs - request.submittedMs;
      if (waitedMs >= request.request.timeoutMs) request.cancel("deadline");
      else if (waitedMs > request.waitLimitMs) request.fail(queueTimeout(request));
      else {
        this.#begun.push(request);
        request.prefillStarted();
        if (request.settled) continue; // cancelled by its listener
        this.#prompt = request;
        this.#reusePrefix(request);
        return;
      }
    }
  }

  #reusePrefix(prompt: ActiveRequest): void {
    const { request, promptTokens } = prompt;
    const most = promptTokens.length - LEAST_COMPUTED_TOKENS;
    const known = this.#prefixes.load(request.prefixScope ?? "", promptTokens, most, this.#model.cutTokens);
    prompt.promptTokensReused = known;
    this.#prefilled = known;
    this.#reusable = known;
  }

  /** Also of a prompt that nobody waits for any more: its chunk was computed like any other. */
  #keepPrefix({ request, promptTokens }: ActiveRequest, chunk: Step): void {
    const { cutTokens } = this.#model;
    const past = chunk.pasts[0]!;
    // What follows a cut elsewhere has bits of its own.
    if (past !== this.#reusable) return;
    const end = past + chunk.tokens.length;
    this.#reusable = end - (end % cutTokens);
    this.#prefixes.save(request.prefixScope ?? "", promptTokens, this.#reusable);
  }

  /** Gives free rows to the prompt's samples; gives the prompt row up when none of them needs it any more. */
  #forkSamples(): void {
    const prompt = this.#prompt;
    if (prompt === null) return;
    if (!prompt.settled) {
      if (this.#prefilled < prompt.promptTokens.length) return;
      for (const sequence of prompt.sequences) {
        if (sequence.ended || sequence.row >= 0) continue;
        if (this.#rows.full) return;
        this.#rows.fork(sequence, prompt.promptTokens.length);
      }
    }
    this.#prompt = null;
  }

  /** Lets go of requests that have ended. */
  #forget(): void {
    if (this.#begun.some((request) => request.settled)) {
      this.#begun = this.#begun.filter((request) => !request.settled);
    }
  }

  #prefillStep(prompt: ActiveRequest): Step {
    const past = this.#prefilled;
    const end = past + nextChunkTokens(prompt.promptTokens.length - past, this.#model.prefillChunkTokens);
    this.#prefilled = end;
    this.#lastPhase = "prefill";
    this.#promptPast[0] = past;
    prompt.promptTokensComputed += end - past;
    let wantLogits = false;
    if (end === prompt.promptTokens.length) {
      for (const sequence of prompt.sequences) wantLogits ||= this.#wantsLogits(sequence);
    }
    const tokens = prompt.promptTokens.subarray(past, end);
    return { phase: "prefill", rows: 1, tokens, pasts: this.#promptPast, wantLogits };
  }

  #decodeStep(): Step {
    this.#lastPhase = "decode";
    let wantLogits = false;
    for (let row = 0; row < this.#rows.count; row++) {
      const sequence = this.#rows.at(row);
      this.#tokens[row] = sequence.lastTokenId;
      this.#pasts[row] = sequence.cachedTokens;
      wantLogits ||= this.#wantsLogits(sequence);
    }
    return { phase: "decode", rows: this.#rows.count, tokens: this.#tokens, pasts: this.#pasts, wantLogits };
  }

  #wantsLogits(sequence: Sequence): boolean {
    const masked = sequence.maskedTokenIds.length;
    return !sequence.ended && needsFullLogits(sequence.sampling, this.#model.candidateCount, masked);
  }

  /** Picks the sequence's next token from output row `row`. */
  #advance(request: ActiveRequest, sequence: Sequence, row: number): void {
    const { sampling } = sequence;
    try {
      const tokenId = this.#sampler.pick(row, sampling, sequence.maskedTokenIds, sequence.random);
      const logprob = this.#sampler.logprob(row, tokenId);
      const top = sampling.topLogprobs === null ? null : this.#sampler.topLogprobs(row, sampling.topLogprobs);
      request.accept(sequence, tokenId, logprob, top);
    } catch (error) {
      // Numbers that make no sense for one request are no reason to end the others.
      if (!(error instanceof MagdiError)) throw error;
      request.fail(error);
    }
  }
}

/** The error of a request that waited too long. */
export function queueTimeout(request: ActiveRequest): MagdiError {
  const limitMs = request.request.queueTimeoutMs;
  return new MagdiError(
    "MAGDI_QUEUE_TIMEOUT",
    `request ${request.id} waited longer than ${limitMs} ms before its prefill could begin; try again later`,
    { details: { queue_timeout_ms: limitMs } },
  );
}
