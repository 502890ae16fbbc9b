// Continuous batching: decides each step of the model and gives its output to the requests. A state machine without
// promises or timers: the engine runs the steps and passes the time in.

import { MagdiError } from "../base/errors.ts";
import type { ActiveRequest } from "./active-request.ts";
import type { ModelRunner, StepOutput } from "./model-runner.ts";
import { nextChunkTokens } from "./model-runner.ts";
import type { PrefixCache } from "./prefix-cache.ts";
import type { EngineStats } from "./request.ts";
import type { RowBudget } from "./row-memory.ts";
import { RunningBatch } from "./running-batch.ts";
import { needsFullLogits, Sampler } from "./sampler.ts";
import type { Sequence } from "./sequence.ts";
import { WaitingQueue } from "./waiting-queue.ts";

/** Prompt tokens that are computed even when all are in the prefix cache: the last one gives the logits, and a chunk
 * has at least two. */
const MIN_COMPUTED_TOKENS = 2;

type SchedulerStats = Omit<EngineStats, "state" | "prefixQueriedTokens" | "prefixHitTokens">;

export interface Step {
  readonly phase: "prefill" | "decode";
  /** Rows of the step; 1 in prefill. */
  readonly rows: number;
  /** Prefill: the chunk's tokens [S]. Decode: one token a row [maxRows], of which `rows` are valid. */
  readonly tokens: Int32Array;
  /** Tokens that each row holds already [maxRows], of which `rows` are valid. */
  readonly pastLengths: Int32Array;
  readonly wantLogits: boolean;
}

/**
 * One prompt at a time is prefilled in the prompt row, a chunk after each decode step. Then its samples are forked
 * into free decode rows; until the last one has a row, the prompt row stays occupied and the queue waits.
 */
export class Scheduler {
  readonly #model: ModelRunner;
  readonly #prefixes: PrefixCache;
  readonly #sampler: Sampler;
  readonly #queue: WaitingQueue;
  readonly #batch: RunningBatch;
  /** Of the prompt row and the decode rows together. */
  readonly #mostCachedTokens: number;
  /** Requests whose prefill has begun, in order. */
  #running: ActiveRequest[] = [];
  /** The request in the prompt row, and how many of its tokens the row holds. */
  #prefilling: ActiveRequest | null = null;
  #prefilled = 0;
  /** How many of these the prefix cache may keep: a multiple of chunkAlignmentTokens. */
  #reusable = 0;
  #lastPhase: "prefill" | "decode" = "decode";
  readonly #tokens: Int32Array;
  readonly #pastLengths: Int32Array;
  readonly #promptPastLength = new Int32Array(1);

  constructor(
    model: ModelRunner,
    maxWaitingSamples: number,
    prefixes: PrefixCache,
    rowBudget: RowBudget | null = null,
  ) {
    this.#model = model;
    this.#prefixes = prefixes;
    this.#sampler = new Sampler(model.vocabSize, model.candidateCount);
    this.#queue = new WaitingQueue(maxWaitingSamples);
    this.#batch = new RunningBatch(model, rowBudget);
    this.#mostCachedTokens = model.contextLength + (rowBudget?.tokens ?? model.maxRows * model.contextLength);
    this.#tokens = new Int32Array(model.maxRows);
    this.#pastLengths = new Int32Array(model.maxRows);
  }

  /** Throws MAGDI_QUEUE_FULL when `samples` more do not fit. */
  assertRoom(samples: number): void {
    this.#queue.assertRoom(samples);
  }

  /** Whether a new request would be prefilled next, without waiting for others. */
  get prefillIsFree(): boolean {
    return this.#prefilling === null && this.#queue.requests.length === 0;
  }

  enqueue(request: ActiveRequest): void {
    this.#queue.push(request);
  }

  /** Must be called when a request has ended: a waiting one leaves the queue at once. */
  settled(request: ActiveRequest): void {
    this.#queue.remove(request);
  }

  /** Every request that has not ended, in order. */
  liveRequests(): ActiveRequest[] {
    return [...this.#running, ...this.#queue.requests].filter((request) => !request.settled);
  }

  /** The next step, or null when there is nothing to do. Compacts the batch and forks samples first. */
  next(nowMs: number): Step | null {
    this.#expire(nowMs);
    this.#batch.compact();
    this.#forkSamples();
    if (this.#prefilling === null) this.#startNext(nowMs);
    this.#dropEnded();

    const prompt = this.#prefilling;
    const canPrefill = prompt !== null && this.#prefilled < prompt.promptTokens.length;
    if (canPrefill && (this.#batch.count === 0 || this.#lastPhase === "decode"))
      return this.#prefillStep(prompt);
    return this.#batch.count > 0 ? this.#decodeStep() : null;
  }

  /** Applies the output of the step that next() gave last. */
  complete(step: Step, output: StepOutput): void {
    this.#sampler.begin(output);
    if (step.phase === "decode") {
      // By request and sample, not by row: the order of events does not depend on which row a sample has.
      for (const request of this.#running) {
        for (const sequence of request.sequences) {
          if (sequence.row >= 0 && !sequence.ended) this.#sample(request, sequence, sequence.row);
        }
      }
      return;
    }
    const prompt = this.#prefilling;
    if (prompt !== null) this.#savePrefix(prompt, step);
    if (prompt === null || prompt.settled || this.#prefilled < prompt.promptTokens.length) return;
    prompt.prefillEnded();
    // All first tokens at once: the output is valid until the next step only, and a sample that ends here needs no row.
    for (const sequence of prompt.sequences) if (!sequence.ended) this.#sample(prompt, sequence, 0);
  }

  stats(): SchedulerStats {
    const cachedTokens = this.#batch.cachedTokens() + (this.#prefilling === null ? 0 : this.#prefilled);
    return {
      requestsWaiting: this.#queue.requests.length,
      samplesWaiting: this.#queue.samples,
      requestsRunning: this.#running.filter((request) => !request.settled).length,
      samplesRunning: this.#running.reduce((samples, request) => samples + request.liveSamples, 0),
      kvCacheUsageRatio: cachedTokens / this.#mostCachedTokens,
    };
  }

  /** Cancels requests past their deadline, in case their timer is late. */
  #expire(nowMs: number): void {
    for (const request of this.#running) {
      if (nowMs - request.submittedMs >= request.request.timeoutMs) request.cancel("deadline");
    }
  }

  #startNext(nowMs: number): void {
    for (let request = this.#queue.shift(); request !== null; request = this.#queue.shift()) {
      const waitedMs = nowMs - request.submittedMs;
      if (waitedMs >= request.request.timeoutMs) request.cancel("deadline");
      else if (waitedMs > request.waitLimitMs) request.fail(queueTimeout(request));
      else {
        this.#running.push(request);
        request.prefillStarted();
        if (request.settled) continue; // cancelled by its listener
        this.#prefilling = request;
        this.#reusePrefix(request);
        return;
      }
    }
  }

  #reusePrefix(prompt: ActiveRequest): void {
    const { request, promptTokens } = prompt;
    const limit = promptTokens.length - MIN_COMPUTED_TOKENS;
    const reused = this.#prefixes.load(
      request.prefixScope ?? "",
      promptTokens,
      limit,
      this.#model.chunkAlignmentTokens,
    );
    prompt.promptTokensReused = reused;
    this.#prefilled = reused;
    this.#reusable = reused;
  }

  /** Also for a cancelled request, whose chunk was computed like any other. */
  #savePrefix({ request, promptTokens }: ActiveRequest, chunk: Step): void {
    const { chunkAlignmentTokens } = this.#model;
    const past = chunk.pastLengths[0]!;
    // After a chunk border elsewhere the last bits can differ from those of other chunkings.
    if (past !== this.#reusable) return;
    const end = past + chunk.tokens.length;
    this.#reusable = end - (end % chunkAlignmentTokens);
    this.#prefixes.save(request.prefixScope ?? "", promptTokens, this.#reusable);
  }

  /** Gives free rows to the prompt's samples; frees the prompt row when each has one. */
  #forkSamples(): void {
    const prompt = this.#prefilling;
    if (prompt === null) return;
    if (!prompt.settled) {
      if (this.#prefilled < prompt.promptTokens.length) return;
      for (const sequence of prompt.sequences) {
        if (sequence.ended || sequence.row >= 0) continue;
        if (!this.#batch.hasRoomFor(sequence)) return;
        this.#batch.fork(sequence, prompt.promptTokens.length);
      }
    }
    this.#prefilling = null;
  }

  #dropEnded(): void {
    this.#running = this.#running.filter((request) => !request.settled);
  }

  #prefillStep(prompt: ActiveRequest): Step {
    const past = this.#prefilled;
    const end = past + nextChunkTokens(prompt.promptTokens.length - past, this.#model.prefillChunkTokens);
    this.#prefilled = end;
    this.#lastPhase = "prefill";
    this.#promptPastLength[0] = past;
    prompt.promptTokensComputed += end - past;
    const isLast = end === prompt.promptTokens.length;
    const wantLogits = isLast && prompt.sequences.some((sequence) => this.#wantsLogits(sequence));
    const tokens = prompt.promptTokens.subarray(past, end);
    return { phase: "prefill", rows: 1, tokens, pastLengths: this.#promptPastLength, wantLogits };
  }

  #decodeStep(): Step {
    this.#lastPhase = "decode";
    let wantLogits = false;
    for (let row = 0; row < this.#batch.count; row++) {
      const sequence = this.#batch.at(row);
      this.#tokens[row] = sequence.lastTokenId;
      this.#pastLengths[row] = sequence.cachedTokens;
      wantLogits ||= this.#wantsLogits(sequence);
    }
    return {
      phase: "decode",
      rows: this.#batch.count,
      tokens: this.#tokens,
      pastLengths: this.#pastLengths,
      wantLogits,
    };
  }

  #wantsLogits(sequence: Sequence): boolean {
    const masked = sequence.maskedTokenIds.length;
    return !sequence.ended && needsFullLogits(sequence.sampling, this.#model.candidateCount, masked);
  }

  /** Samples the sequence's next token from output row `row`. */
  #sample(request: ActiveRequest, sequence: Sequence, row: number): void {
    const { sampling } = sequence;
    try {
      const tokenId = this.#sampler.pick(row, sampling, sequence.maskedTokenIds, sequence.random);
      const logprob = this.#sampler.logprob(row, tokenId);
      const top = sampling.topLogprobs === null ? null : this.#sampler.topLogprobs(row, sampling.topLogprobs);
      request.accept(sequence, tokenId, logprob, top);
    } catch (error) {
      // Broken numbers in one request's row do not end the others.
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
