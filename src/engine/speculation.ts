// Decides how many drafted tokens a step of a lone row checks beside its next one: as many as make tokens come fastest, by how
// long steps took and how often drafts were right. What is said does not depend on it, only when.

import type { Draft } from "./draft-lookup.ts";

/** A longer draft is seldom right at its end. */
export const MOST_DRAFTED = 3;
const CHOICES = [0, 1, MOST_DRAFTED];

/** Share of drafts whose first token is right, by matched tokens: from recorded reasoning, corrected while serving. */
const FIRST_RIGHT = [0, 0.3, 0.55, 0.65];
/** Share of right tokens after a right one. */
const NEXT_RIGHT = 0.65;
/** Weight of a new observation. */
const SHARE_WEIGHT = 1 / 64;
const TIME_WEIGHT = 1 / 8;
/** A step counts as at most so many times the mean: the machine was at something else. */
const MOST_TIMES_MEAN = 2;
/** One of so many decisions tries another choice, whose time may have changed. */
const DECISIONS_TO_TRY = 32;
/** A clock can be too coarse for a short step. */
const LEAST_STEP_MS = 0.01;

export class Speculation {
  readonly #firstRight = [...FIRST_RIGHT];
  #nextRight = NEXT_RIGHT;
  /** Mean time of a step, by drafted tokens. */
  readonly #stepMs = new Map<number, number>();
  #decisions = 0;
  #draftedTokens = 0;
  #acceptedTokens = 0;

  /** Drafted tokens that were checked. */
  get draftedTokens(): number {
    return this.#draftedTokens;
  }

  /** Those of them that were right. */
  get acceptedTokens(): number {
    return this.#acceptedTokens;
  }

  /** How many tokens of the draft the next step checks. */
  choose(draft: Draft): number {
    const choices = CHOICES.filter((count) => count <= draft.tokens.length);
    const untried = choices.find((count) => !this.#stepMs.has(count));
    if (untried !== undefined) return untried;
    this.#decisions++;
    if (this.#decisions % DECISIONS_TO_TRY === 0) {
      return choices[(this.#decisions / DECISIONS_TO_TRY) % choices.length]!;
    }
    let best = 0;
    let bestRate = 0;
    for (const count of choices) {
      const rate = (1 + this.#expected(draft, count)) / this.#stepMs.get(count)!; // all were tried
      if (rate > bestRate) [best, bestRate] = [count, rate];
    }
    return best;
  }

  /** A decode step of one row that checked `drafted` tokens. */
  addStep(drafted: number, ms: number): void {
    const mean = this.#stepMs.get(drafted) ?? ms;
    const next = mean + (Math.min(ms, MOST_TIMES_MEAN * mean) - mean) * TIME_WEIGHT;
    this.#stepMs.set(drafted, Math.max(next, LEAST_STEP_MS));
  }

  /** Of a draft `checked` tokens were looked at, of which the first `right` were right. */
  addDraft({ matched }: Draft, checked: number, right: number): void {
    this.#draftedTokens += checked;
    this.#acceptedTokens += right;
    for (let at = 0; at < Math.min(checked, right + 1); at++) {
      const observed = Number(at < right);
      if (at === 0) this.#firstRight[matched] = moved(this.#firstRight[matched]!, observed);
      else this.#nextRight = moved(this.#nextRight, observed);
    }
  }

  /** Right tokens to expect of the draft's first `count`. */
  #expected({ matched }: Draft, count: number): number {
    let share = this.#firstRight[matched]!;
    let expected = 0;
    for (let at = 0; at < count; at++, share *= this.#nextRight) expected += share;
    return expected;
  }
}

const moved = (share: number, observed: number): number => share + (observed - share) * SHARE_WEIGHT;
