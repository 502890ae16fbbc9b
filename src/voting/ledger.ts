// Token usage of one question, and its comparison with the cost of a debate.

import { MagdiError } from "../base/errors.ts";
import { DISCARD_REASONS, type DiscardReason } from "../base/finish-reason.ts";
import type { Baseline } from "./baselines.ts";

export interface Usage {
  readonly promptTokens: number;
  /** Prompt tokens not found in the prefix cache. */
  readonly promptTokensComputed: number;
  /** All generated tokens, including discarded ones. */
  readonly completionTokens: number;
  /** Of these, tokens of samples that were stopped. */
  readonly completionTokensDiscarded: number;
  readonly totalTokens: number;
}

export interface Comparison {
  readonly baseline: string;
  /** Mean tokens of a debate of one question. */
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

  /** The prompt, once for all samples. @throws MagdiError MAGDI_BAD_CONFIG */
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

  /** Tokens of a sample that finished. */
  addFinished(tokens: number): void {
    this.#finishedTokens += whole(tokens, "finished tokens");
  }

  /** Tokens of a sample that was stopped. */
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
      promptTokens: this.#promptTokens,
      promptTokensComputed: this.#promptTokensComputed,
      completionTokens: completion,
      completionTokensDiscarded: discarded,
      totalTokens: this.#promptTokens + completion,
    };
  }

  /** Null if no token was counted. */
  comparison(baseline: Baseline): Comparison | null {
    return comparisonWith(baseline, this.usage().totalTokens);
  }
}

/** Of an answer that took so many tokens; null if it took none. */
export function comparisonWith(baseline: Baseline, totalTokens: number): Comparison | null {
  if (totalTokens === 0) return null;
  return {
    baseline: baseline.name,
    tokens: baseline.tokens,
    ratio: Math.round((baseline.tokens / totalTokens) * 1000) / 1000,
    source: baseline.source,
  };
}

function whole(tokens: number, what: string): number {
  if (Number.isSafeInteger(tokens) && tokens >= 0) return tokens;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `ledger: expected a whole number of ${what}, 0 or more, found ${tokens}`,
  );
}
