// The token ledger of one request, for its response and the metrics, and the comparison with a debate.

import { MagdiError } from "../base/errors.ts";
import type { Baseline } from "./baselines.ts";

/** Why generated tokens were discarded. */
export type DiscardReason = "decided" | "cancelled" | "disconnect" | "deadline";

export const DISCARD_REASONS: readonly DiscardReason[] = ["decided", "cancelled", "disconnect", "deadline"];

export interface Usage {
  readonly prompt_tokens: number;
  /** Prompt tokens that were not found in the prefix cache. */
  readonly prompt_tokens_computed: number;
  /** All generated tokens, discarded ones included. */
  readonly completion_tokens: number;
  /** Of these, the tokens of samples that were cancelled. */
  readonly completion_tokens_discarded: number;
  readonly total_tokens: number;
}

export interface Comparison {
  readonly baseline: string;
  /** Tokens of one debated question. */
  readonly tokens: number;
  /** Debate tokens / this answer's total tokens, rounded to three decimals. */
  readonly ratio: number;
  readonly source: string;
}

export class Ledger {
  #promptTokens = 0;
  #promptTokensComputed = 0;
  #finishedTokens = 0;
  readonly #discarded: Record<DiscardReason, number> = {
    decided: 0,
    cancelled: 0,
    disconnect: 0,
    deadline: 0,
  };

  /** The prompt, counted once for all samples of a request. @throws MagdiError MAGDI_BAD_CONFIG */
  addPrompt(tokens: number, computedTokens: number): void {
    this.#promptTokens += whole(tokens, "prompt tokens");
    this.#promptTokensComputed += whole(computedTokens, "computed prompt tokens");
    if (this.#promptTokensComputed > this.#promptTokens) {
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `ledger: expected at most ${this.#promptTokens} computed prompt tokens, found ${this.#promptTokensComputed}`,
      );
    }
  }

  /** The tokens of a sample that finished by itself. */
  addFinished(tokens: number): void {
    this.#finishedTokens += whole(tokens, "finished tokens");
  }

  /** The tokens of a cancelled sample. */
  addDiscarded(reason: DiscardReason, tokens: number): void {
    this.#discarded[reason] += whole(tokens, "discarded tokens");
  }

  discarded(): Readonly<Record<DiscardReason, number>> {
    return { ...this.#discarded };
  }

  usage(): Usage {
    const discarded = DISCARD_REASONS.reduce((sum, reason) => sum + this.#discarded[reason], 0);
    const completion = this.#finishedTokens + discarded;
    return {
      prompt_tokens: this.#promptTokens,
      prompt_tokens_computed: this.#promptTokensComputed,
      completion_tokens: completion,
      completion_tokens_discarded: discarded,
      total_tokens: this.#promptTokens + completion,
    };
  }

  /** Null before any token was counted. */
  comparison(baseline: Baseline): Comparison | null {
    const total = this.usage().total_tokens;
    if (total === 0) return null;
    return {
      baseline: baseline.name,
      tokens: baseline.tokens,
      ratio: Math.round((baseline.tokens / total) * 1000) / 1000,
      source: baseline.source,
    };
  }
}

function whole(tokens: number, what: string): number {
  if (Number.isSafeInteger(tokens) && tokens >= 0) return tokens;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `ledger: expected a whole number of ${what}, 0 or more, found ${tokens}`,
  );
}
