// The prompt row of the KV cache: the request whose prompt is in it, how much of the prompt it holds, the next chunk, and
// what the prefix cache gives and keeps of it.

import type { ActiveRequest } from "./active-request.ts";
import { type ModelRunner, nextChunkTokens } from "./model-runner.ts";
import type { PrefixCache } from "./prefix-cache.ts";

/** Prompt tokens that are computed even when all are in the prefix cache: the last one gives the logits, and a chunk
 * has at least two. */
const MIN_COMPUTED_TOKENS = 2;

export interface Chunk {
  /** Token ids [S]. */
  readonly tokens: Int32Array;
  /** Prompt tokens before the chunk. */
  readonly past: number;
  /** Whether it ends the prompt. */
  readonly isLast: boolean;
  /** How many of its tokens the request had computed before it gave the row back. */
  readonly anew: number;
}

export class PromptRow {
  readonly #model: ModelRunner;
  readonly #prefixes: PrefixCache;
  #request: ActiveRequest | null = null;
  /** Tokens of the prompt in the row, those of the chunk being computed included. */
  #tokens = 0;
  /** How many of these the prefix cache may keep: a multiple of chunkAlignmentTokens. */
  #reusable = 0;

  constructor(model: ModelRunner, prefixes: PrefixCache) {
    this.#model = model;
    this.#prefixes = prefixes;
  }

  /** Null while the row is free. */
  get request(): ActiveRequest | null {
    return this.#request;
  }

  /** Tokens in the row. */
  get tokens(): number {
    return this.#request === null ? 0 : this.#tokens;
  }

  /** Tokens of the prompt that are not in the row. */
  get left(): number {
    return this.#request === null ? 0 : this.#request.promptTokens.length - this.#tokens;
  }

  /** Takes a request's prompt, with what the prefix cache has of it. */
  take(prompt: ActiveRequest): void {
    const { promptTokens } = prompt;
    const limit = promptTokens.length - MIN_COMPUTED_TOKENS;
    const { chunkAlignmentTokens } = this.#model;
    const reused = this.#prefixes.load(scopeOf(prompt), promptTokens, limit, chunkAlignmentTokens);
    prompt.promptTokensReused += Math.max(0, reused - known(prompt));
    this.#request = prompt;
    this.#tokens = reused;
    this.#reusable = reused;
  }

  release(): void {
    this.#request = null;
  }

  /** The next chunk of a prompt of which tokens are left. */
  nextChunk(prompt: ActiveRequest): Chunk {
    const past = this.#tokens;
    const end = past + nextChunkTokens(prompt.promptTokens.length - past, this.#model.prefillChunkTokens);
    const anew = Math.max(0, Math.min(end, known(prompt)) - past);
    this.#tokens = end;
    prompt.promptTokensComputed += end - past - anew;
    prompt.prefillWork += end - past;
    const isLast = end === prompt.promptTokens.length;
    return { tokens: prompt.promptTokens.subarray(past, end), past, isLast, anew };
  }

  /** Lets the prefix cache keep a chunk that was computed; also a cancelled request's, which is like any other. */
  keep(prompt: ActiveRequest, past: number, count: number): void {
    // After a chunk border elsewhere the last bits can differ from those of other chunkings.
    if (past !== this.#reusable) return;
    const end = past + count;
    this.#reusable = end - (end % this.#model.chunkAlignmentTokens);
    this.#prefixes.save(scopeOf(prompt), prompt.promptTokens, this.#reusable);
  }
}

const scopeOf = ({ request }: ActiveRequest): string => request.prefixScope ?? "";

/** Prompt tokens that were reused or computed at least once. */
const known = (prompt: ActiveRequest): number => prompt.promptTokensReused + prompt.promptTokensComputed;
