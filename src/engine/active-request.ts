// A request from submission to its result: its sequences, times, listener and promise.

import { MagdiError } from "../base/errors.ts";
import type { CancelReason } from "../base/finish-reason.ts";
import { type EngineCaller, ONE_CALLER } from "./fair-shares.ts";
import type {
  Generation,
  GenerationListener,
  GenerationRequest,
  GenerationResult,
  TokenEvent,
  TokenLogprob,
} from "./request.ts";
import type { Sequence } from "./sequence.ts";

/** How a request reports to the engine. */
export interface RequestHooks {
  nowMs(): number;
  /** Called once, when the request has ended for any reason, before its promise settles. */
  onSettled(request: ActiveRequest): void;
  /** Called when more samples are to start. */
  onStart(): void;
  onListenerError(error: unknown): void;
}

export class ActiveRequest implements Generation {
  readonly id: string;
  readonly done: Promise<GenerationResult>;
  readonly request: GenerationRequest;
  readonly caller: EngineCaller;
  /** The request's own copy of its prompt [T]. */
  readonly promptTokens: Int32Array;
  readonly sequences: readonly Sequence[];
  readonly submittedMs: number;
  /** Longest wait before its prefill begins. */
  waitLimitMs: number;
  /** Prompt tokens that have to be computed, whatever is reused. */
  leastPrefillTokens: number;
  promptTokensComputed = 0;
  promptTokensReused = 0;
  /** Computed of the prompt since samples started, with what was computed anew after the request had given the prompt row
   * back. */
  prefillWork = 0;
  readonly #listener: GenerationListener;
  readonly #hooks: RequestHooks;
  #liveSamples: number;
  /** Samples below this one have started. */
  #started: number;
  /** What `start` asked for. */
  #toStart: number;
  #settled = false;
  #prefillStartMs: number | null = null;
  #prefillEndMs: number | null = null;
  #firstTokenMs: number | null = null;
  #resolve!: (result: GenerationResult) => void;
  #reject!: (error: MagdiError) => void;

  constructor(
    request: GenerationRequest,
    promptTokens: Int32Array,
    sequences: readonly Sequence[],
    listener: GenerationListener,
    hooks: RequestHooks,
  ) {
    this.id = request.id;
    this.request = request;
    this.caller = request.caller ?? ONE_CALLER;
    this.promptTokens = promptTokens;
    this.sequences = sequences;
    this.submittedMs = hooks.nowMs();
    this.waitLimitMs = request.queueTimeoutMs;
    this.leastPrefillTokens = promptTokens.length;
    this.#listener = listener;
    this.#hooks = hooks;
    this.#liveSamples = sequences.length;
    this.#started = request.startSamples ?? sequences.length;
    this.#toStart = this.#started;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Without this, a rejection of a `done` that no caller awaits would end the process.
    this.done.catch(() => {});
  }

  get liveSamples(): number {
    return this.#settled ? 0 : this.#liveSamples;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Samples that have started and not ended. */
  get runningSamples(): number {
    return this.#count(() => true);
  }

  /** Samples that have started and not ended, and have no decode row. */
  get rowlessSamples(): number {
    return this.#count(({ row }) => row < 0);
  }

  /** Whether samples have started that get their first token when the prompt is complete. */
  get awaitsFirstTokens(): boolean {
    return this.#count(({ hasTokens }) => !hasTokens) > 0;
  }

  /** Whether the sequence gets its first token when the prompt is complete. */
  awaitsFirstToken({ index, ended, hasTokens }: Sequence): boolean {
    return index < this.#started && !ended && !hasTokens;
  }

  /** Whether the whole prompt was computed, so that the samples that started with it have their first token. */
  get hasFirstTokens(): boolean {
    return this.#prefillEndMs !== null;
  }

  /** Whether the prefill has not begun. */
  get waiting(): boolean {
    return !this.#settled && this.#prefillStartMs === null;
  }

  cancel(reason: CancelReason, sample?: number): void {
    for (const sequence of this.sequences) {
      if (this.#settled) return;
      if (sample !== undefined && sequence.index !== sample) continue;
      if (sequence.ended) continue;
      try {
        sequence.end(reason);
      } catch (cause) {
        this.#failDetokenising(sequence, cause);
        return;
      }
      this.#sampleEnded(sequence);
    }
  }

  start(samples: number): void {
    if (this.#settled || samples <= this.#toStart) return;
    this.#toStart = Math.min(samples, this.sequences.length);
    this.#hooks.onStart();
  }

  /** Starts what `start` asked for; true if that is any sample. */
  admit(): boolean {
    if (this.#settled || this.#started === this.#toStart) return false;
    this.#started = this.#toStart;
    this.prefillWork = 0;
    return true;
  }

  /** Rejects the request, finished samples included. */
  fail(error: MagdiError): void {
    if (this.#settled) return;
    this.#settled = true;
    for (const sequence of this.sequences) sequence.abandon();
    this.#hooks.onSettled(this);
    this.#reject(error);
  }

  prefillStarted(): void {
    this.#prefillStartMs = this.#hooks.nowMs();
    this.#notify(() => this.#listener.onPrefillStart?.());
  }

  /** The first time counts: the prompt is computed again for samples that give a row back or start later. */
  prefillEnded(): void {
    this.#prefillEndMs ??= this.#hooks.nowMs();
  }

  /** Appends a sampled token to a sequence that has not ended, and tells the listener. */
  accept(sequence: Sequence, tokenId: number, logprob: number, top: TokenLogprob["top"] | null): void {
    let event: TokenEvent;
    try {
      event = sequence.accept(tokenId, logprob, top);
    } catch (cause) {
      this.#failDetokenising(sequence, cause);
      return;
    }
    this.#firstTokenMs ??= this.#hooks.nowMs();
    // Read before the listener is called, which may cancel the sample.
    const endedByToken = sequence.ended;
    this.#notify(() => this.#listener.onToken?.(event));
    if (endedByToken) this.#sampleEnded(sequence);
  }

  #sampleEnded(sequence: Sequence): void {
    if (this.#settled) return;
    this.#liveSamples--;
    const result = sequence.result;
    // Counted before the listener is called, which may cancel the other samples.
    if (result !== null) this.#notify(() => this.#listener.onSampleEnd?.(result));
    if (this.#liveSamples > 0 || this.#settled) return;
    this.#settled = true;
    this.#hooks.onSettled(this);
    this.#resolve({
      samples: this.sequences.map((sequence) => sequence.end("cancelled")),
      promptTokens: this.promptTokens.length,
      promptTokensComputed: this.promptTokensComputed,
      promptTokensReused: this.promptTokensReused,
      timing: {
        submittedMs: this.submittedMs,
        prefillStartMs: this.#prefillStartMs,
        prefillEndMs: this.#prefillEndMs,
        firstTokenMs: this.#firstTokenMs,
        endMs: this.#hooks.nowMs(),
      },
    });
  }

  #count(counts: (sequence: Sequence) => boolean): number {
    if (this.#settled) return 0;
    let count = 0;
    for (const sequence of this.sequences) {
      if (sequence.index < this.#started && !sequence.ended && counts(sequence)) count++;
    }
    return count;
  }

  #failDetokenising(sequence: Sequence, cause: unknown): void {
    const message = `request ${this.id}: the tokens of sample ${sequence.index} could not be detokenised`;
    this.fail(new MagdiError("MAGDI_RUNTIME", message, { cause }));
  }

  #notify(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#hooks.onListenerError(error);
    }
  }
}
