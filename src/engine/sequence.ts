// A sequence: one sample of a request, with its tokens, text and random generator, and whether and why it has ended.

import type { FinishReason } from "../base/finish-reason.ts";
import { IncrementalDetokenizer } from "../text/incremental-detokenizer.ts";
import { StopStringFilter } from "../text/stop-strings.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type Draft, DraftLookup } from "./draft-lookup.ts";
import { sampleRandom, type Xoshiro128 } from "./random.ts";
import type { SampleResult, SamplingParams, TokenEvent, TokenLogprob } from "./request.ts";

/** The same for all sequences of one request. */
export interface SequenceContext {
  readonly tokenizer: Tokenizer;
  readonly eosTokenIds: readonly number[];
  /** As in GenerationRequest. */
  readonly continuesText?: boolean;
}

const NO_TOKENS: readonly number[] = [];
/** Memory for a sequence's answer is taken by so many tokens at a time: it is not known how long it will be. */
export const GROWTH_TOKENS = 128;

export class Sequence {
  readonly index: number;
  readonly sampling: SamplingParams;
  /** Of its own, so that its draws do not depend on its row or other sequences. */
  readonly random: Xoshiro128;
  /** The decode row with the sequence's KV cache; -1 without one. */
  row = -1;
  readonly #promptLength: number;
  readonly #maxTokens: number;
  readonly #eosTokenIds: readonly number[];
  readonly #detokenizer: IncrementalDetokenizer;
  readonly #stopFilter: StopStringFilter | null;
  readonly #tokenIds: number[] = [];
  #cachedIds = 0;
  readonly #logprobs: TokenLogprob[] | null;
  #logprobSum = 0;
  #text = "";
  #result: SampleResult | null = null;
  #abandoned = false;
  #lookup: DraftLookup | null = null;

  /** `maxTokens` is the request's, clamped to what is left of the context. */
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

  /** Null until the sequence has ended. */
  get result(): SampleResult | null {
    return this.#result;
  }

  get ended(): boolean {
    return this.#result !== null || this.#abandoned;
  }

  /** Whether it has its first token. */
  get hasTokens(): boolean {
    return this.#tokenIds.length > 0;
  }

  /** Ends the sequence without a result: its request has failed. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** End-of-sequence ids that must not be sampled next. */
  get maskedTokenIds(): readonly number[] {
    const { ignoreEos, minTokens } = this.sampling;
    return !ignoreEos && this.#tokenIds.length < minTokens ? this.#eosTokenIds : NO_TOKENS;
  }

  /** Tokens in the KV cache: the prompt's and, unless they are computed anew, all generated ones but the last. */
  get cachedTokens(): number {
    return this.#promptLength + this.#cachedIds;
  }

  /** Of the generated tokens, how many are in the KV cache. */
  get cachedIds(): number {
    return this.#cachedIds;
  }

  /** Tokens that its row may come to hold. */
  get mostTokens(): number {
    return this.#promptLength + this.#maxTokens;
  }

  /** Tokens that its row gets memory for when it is taken. A sequence that had to give its row back gets room for twice what
   * it had generated, so that it is never computed anew more often than its length doubles. */
  get firstTokens(): number {
    const ahead = Math.max(GROWTH_TOKENS, 2 * this.#tokenIds.length);
    return Math.min(this.mostTokens, this.#promptLength + ahead);
  }

  /** The next step's input. */
  get nextInputId(): number {
    return this.#tokenIds[this.#cachedIds]!;
  }

  /** Whether the next step's output is a new token's: false while tokens that are known are computed anew. */
  get givesNewToken(): boolean {
    return this.#cachedIds === this.#tokenIds.length - 1;
  }

  /** A draft of at most `most` tokens of what follows all that is known; null without one. `prompt`: the request's [T]. */
  draft(prompt: Int32Array, most: number): Draft | null {
    if (this.#lookup === null) {
      this.#lookup = new DraftLookup();
      for (const token of prompt) this.#lookup.push(token);
    }
    for (let at = this.#lookup.length - this.#promptLength; at < this.#tokenIds.length; at++) {
      this.#lookup.push(this.#tokenIds[at]!);
    }
    return this.#lookup.draft(most);
  }

  /** The sequence's row holds the prompt alone: decode steps compute the generated tokens anew, in the same way as the
   * first time, so that what follows is what would have followed. */
  restart(): void {
    this.#cachedIds = 0;
  }

  /** A decode step has appended the next input to the row. */
  inputComputed(): void {
    this.#cachedIds++;
  }

  /**
   * Appends a token, and ends the sequence on an end-of-sequence token, a complete stop string or maxTokens.
   * End-of-sequence tokens have no text. Stop strings are looked for in the text after the first minTokens tokens.
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

  /** Ends the sequence, if it has not ended, and flushes the text held back. */
  end(reason: FinishReason): SampleResult {
    if (this.#result !== null) return this.#result;
    const unfinished = this.#detokenizer.finish();
    if (this.#stopFilter === null) return this.#close(reason, null, unfinished);
    const pushed = this.#stopFilter.push(unfinished);
    const rest = pushed.stopped === null ? this.#stopFilter.finish() : { text: "", stopped: null };
    const tail = pushed.text + rest.text;
    // A stop string completed only now is the finish reason, except for a cancelled sample, whose text it still cuts.
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
