// One sample of a request: its tokens, its text, its generator, and whether it has ended and why. It knows
// nothing of other samples, of steps or of who listens.

import type { FinishReason } from "../base/finish-reason.ts";
import { IncrementalDetokenizer } from "../text/incremental-detokenizer.ts";
import { StopStringFilter } from "../text/stop-strings.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { sampleRandom, type Xoshiro128 } from "./random.ts";
import type { SampleResult, SamplingParams, TokenEvent, TokenLogprob } from "./request.ts";

/** What is the same for all sequences of one request. */
export interface SequenceContext {
  readonly tokenizer: Tokenizer;
  readonly eosTokenIds: readonly number[];
  /** As the request's. */
  readonly continuesText?: boolean;
}

const NO_TOKENS: readonly number[] = [];

export class Sequence {
  readonly index: number;
  readonly sampling: SamplingParams;
  /** Owned by the sequence and not by its row: its draws depend on nothing else. */
  readonly random: Xoshiro128;
  /** The decode row that holds the sequence's cache; -1 without one. */
  row = -1;
  readonly #promptLength: number;
  readonly #maxTokens: number;
  readonly #eosTokenIds: readonly number[];
  readonly #detokenizer: IncrementalDetokenizer;
  readonly #stopFilter: StopStringFilter | null;
  readonly #tokenIds: number[] = [];
  readonly #logprobs: TokenLogprob[] | null;
  #logprobSum = 0;
  #text = "";
  #result: SampleResult | null = null;
  #abandoned = false;

  /** `maxTokens` is the request's, clamped to what the context leaves. */
  constructor(
    index: number,
    promptLength: number,
    maxTokens: number,
    sampling: SamplingParams,
    context: SequenceContext,
  ) {
    this.index = index;
    this.sampling = sampling;
    this.random = sampleRandom(sampling.seed, index);
    this.#promptLength = promptLength;
    this.#maxTokens = maxTokens;
    this.#eosTokenIds = context.eosTokenIds;
    this.#detokenizer = new IncrementalDetokenizer(context.tokenizer, {
      skipSpecialTokens: true,
      continuesText: context.continuesText ?? false,
    });
    this.#stopFilter = sampling.stop.length > 0 ? new StopStringFilter(sampling.stop) : null;
    this.#logprobs = sampling.topLogprobs === null ? null : [];
  }

  /** What the sample came to; null while it lives. */
  get result(): SampleResult | null {
    return this.#result;
  }

  /** Whether the sequence needs no more steps. */
  get ended(): boolean {
    return this.#result !== null || this.#abandoned;
  }

  /** Ends the sequence without a result: its request has failed. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** End-of-sequence ids that the next token may not be. */
  get maskedTokenIds(): readonly number[] {
    const { ignoreEos, minTokens } = this.sampling;
    return !ignoreEos && this.#tokenIds.length < minTokens ? this.#eosTokenIds : NO_TOKENS;
  }

  /** Tokens that the sequence's row holds: all but the last, which the next step feeds. */
  get cachedTokens(): number {
    return this.#promptLength + this.#tokenIds.length - 1;
  }

  get lastTokenId(): number {
    return this.#tokenIds[this.#tokenIds.length - 1]!;
  }

  /**
   * Appends a token, and ends the sequence when it is an end-of-sequence token, completes a stop string or is the
   * last there may be. End-of-sequence tokens have no text. Stop strings are looked for in the text that follows
   * the first minTokens tokens.
   */
  accept(tokenId: number, logprob: number, top: TokenLogprob["top"] | null): TokenEvent {
    this.#tokenIds.push(tokenId);
    this.#logprobSum += logprob;
    const detail = top === null ? null : { tokenId, logprob, top };
    if (detail !== null) this.#logprobs?.push(detail);

    const isEos = this.#eosTokenIds.includes(tokenId);
    let text = "";
    let stopString: string | null = null;
    if (!isEos) {
      text = this.#detokenizer.push(tokenId);
      if (this.#stopFilter !== null && this.#tokenIds.length > this.sampling.minTokens) {
        const filtered = this.#stopFilter.push(text);
        text = filtered.text;
        stopString = filtered.stopped;
      }
    }
    this.#text += text;

    if (stopString !== null) this.#close("stop", stopString, "");
    else if (isEos && !this.sampling.ignoreEos) this.end("stop");
    else if (this.#tokenIds.length >= this.#maxTokens) this.end("length");
    return { sample: this.index, tokenId, logprob, text, detail };
  }

  /** Ends the sequence, if it still lives, with the text that was held back. */
  end(reason: FinishReason): SampleResult {
    if (this.#result !== null) return this.#result;
    const unfinished = this.#detokenizer.finish();
    if (this.#stopFilter === null) return this.#close(reason, null, unfinished);
    const pushed = this.#stopFilter.push(unfinished);
    const rest = pushed.stopped === null ? this.#stopFilter.finish() : { text: "", stopped: null };
    const tail = pushed.text + rest.text;
    // A stop string that is complete only now ends what ended by itself; it cuts the text of what was cancelled.
    const stopString = reason === "length" || reason === "stop" ? (pushed.stopped ?? rest.stopped) : null;
    return this.#close(stopString === null ? reason : "stop", stopString, tail);
  }

  #close(finishReason: FinishReason, stopString: string | null, tail: string): SampleResult {
    this.#result = {
      index: this.index,
      tokenIds: this.#tokenIds,
      text: this.#text + tail,
      tail,
      finishReason,
      stopString,
      logprobSum: this.#logprobSum,
      logprobs: this.#logprobs,
    };
    return this.#result;
  }
}
