// Runs the vote of one request while its samples finish, and says when it is decided.

import { canonicalAnswer, extractAnswer } from "../answers/answer.ts";
import type { Choice, Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { ADAPTIVE_THRESHOLD, adaptiveDecided, type EarlyStop, exactDecided } from "./early-stop.ts";
import { confidenceOf, type Tally, tally, type Vote, type VoteRule, type VotingSample } from "./vote.ts";

export type StopReason = "complete" | "exact" | "adaptive" | "enough";

export interface VoterOptions {
  readonly task: Task;
  readonly choices?: readonly Choice[] | null;
  /** Number of samples; their indices are 0 to samples - 1. */
  readonly samples: number;
  readonly rule?: VoteRule;
  readonly earlyStop?: EarlyStop;
  readonly adaptiveThreshold?: number;
}

export interface FinishedSample {
  readonly index: number;
  readonly text: string;
  /** The engine's; samples with `abort` and `cancelled` have no vote. */
  readonly finishReason: string;
  readonly logprobMean: number;
  readonly tokens: number;
}

/** An engine's result for the voter, with the finish reason's public name. */
export function finishedSample(
  result: {
    readonly index: number;
    readonly text: string;
    readonly tokenIds: readonly number[];
    readonly logprobSum: number;
  },
  finishReason: string,
): FinishedSample {
  const { index, text, tokenIds, logprobSum } = result;
  const tokens = tokenIds.length;
  return { index, text, finishReason, logprobMean: logprobSum / tokens, tokens };
}

export interface SampleReport {
  readonly index: number;
  readonly text: string;
  readonly answer: string | null;
  readonly tokens: number;
  readonly logprob_mean: number;
  readonly finish_reason: string;
}

export interface VoteResult {
  readonly answer: string | null;
  /** The text of the sample that represents the answer; null without an answer. */
  readonly reasoning: string | null;
  readonly votes: readonly Vote[];
  /** Finished samples when the vote was settled. */
  readonly decided_at: number;
  readonly stop_reason: StopReason;
  readonly samples: readonly SampleReport[];
}

interface Recorded {
  readonly report: SampleReport;
  readonly ballot: VotingSample;
}

const WITHOUT_VOTE: readonly string[] = ["abort", "aborted", "cancelled"];

/**
 * @example
 * const voter = new Voter({ task: "math", samples: 3 });
 * voter.add({ index: 0, text: "The answer is 4.", finishReason: "stop", logprobMean: -0.1, tokens: 6 });
 * voter.add({ index: 2, text: "2 + 2 = 4", finishReason: "stop", logprobMean: -0.2, tokens: 7 }).decided; // "exact"
 * voter.result().answer; // "4"
 */
export class Voter {
  readonly #options: Required<VoterOptions>;
  readonly #recorded = new Map<number, Recorded>();
  #settled: { at: number; reason: StopReason } | null = null;

  constructor(options: VoterOptions) {
    this.#options = {
      choices: null,
      rule: "majority",
      earlyStop: "exact",
      adaptiveThreshold: ADAPTIVE_THRESHOLD,
      ...options,
    };
    if (!Number.isSafeInteger(options.samples) || options.samples < 1) {
      throw new MagdiError("MAGDI_BAD_REQUEST", `samples: expected 1 or more, found ${options.samples}`, {
        param: "samples",
      });
    }
  }

  /**
   * Counts a finished sample. `decided` is not null once the vote is decided early, so that running samples can be cancelled.
   * After that a late sample is reported without a vote.
   *
   * @throws MagdiError MAGDI_BAD_CONFIG for an index out of range or added twice
   */
  add(sample: FinishedSample): { answer: string | null; decided: null | "exact" | "adaptive" } {
    const { task, choices, samples } = this.#options;
    if (!Number.isSafeInteger(sample.index) || sample.index < 0 || sample.index >= samples) {
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `sample index: expected 0 to ${samples - 1}, found ${sample.index}`,
      );
    }
    if (this.#recorded.has(sample.index)) {
      throw new MagdiError("MAGDI_BAD_CONFIG", `sample ${sample.index}: expected once, was added twice`);
    }
    const votes = this.#settled === null && !WITHOUT_VOTE.includes(sample.finishReason);
    const stopped = WITHOUT_VOTE.includes(sample.finishReason);
    const answer = stopped ? null : extractAnswer(task, sample.text, { choices });
    this.#recorded.set(sample.index, {
      report: {
        index: sample.index,
        text: sample.text,
        answer,
        tokens: sample.tokens,
        logprob_mean: sample.logprobMean,
        finish_reason: sample.finishReason,
      },
      ballot: {
        index: sample.index,
        answer: votes && answer !== null ? canonicalAnswer(task, answer, { choices }) : null,
        display: answer,
        confidence: confidenceOf(sample.logprobMean),
      },
    });
    this.#settle();
    const reason = this.#settled?.reason;
    return { answer, decided: reason === "exact" || reason === "adaptive" ? reason : null };
  }

  /** Ends the vote with the samples finished so far, unless it has ended. */
  enough(): void {
    this.#settled ??= { at: this.#recorded.size, reason: "enough" };
  }

  /** Samples that have not finished. */
  get remaining(): number {
    return this.#options.samples - this.#recorded.size;
  }

  /** True once the vote has ended: by early stopping, by enough(), or because all samples have finished. */
  get settled(): boolean {
    return this.#settled !== null;
  }

  tally(): Tally {
    return tally(this.#ballots(), this.#options.rule);
  }

  /** The result so far; its stop reason is "enough" until the vote has ended. */
  result(): VoteResult {
    const { answer, speaker, votes } = this.tally();
    const settled = this.#settled ?? { at: this.#recorded.size, reason: "enough" };
    return {
      answer,
      reasoning: speaker === null ? null : (this.#recorded.get(speaker)?.report.text ?? null),
      votes,
      decided_at: settled.at,
      stop_reason: settled.reason,
      samples: [...this.#recorded.values()].map(({ report }) => report).sort((a, b) => a.index - b.index),
    };
  }

  #ballots(): VotingSample[] {
    return [...this.#recorded.values()].map(({ ballot }) => ballot);
  }

  #settle(): void {
    if (this.#settled !== null) return;
    const { samples, rule, earlyStop, adaptiveThreshold } = this.#options;
    const at = this.#recorded.size;
    if (at === samples) {
      this.#settled = { at, reason: "complete" };
      return;
    }
    if (earlyStop === "off") return;
    const running = Array.from({ length: samples }, (_, index) => index).filter(
      (index) => !this.#recorded.has(index),
    );
    if (exactDecided(this.#ballots(), running, rule)) this.#settled = { at, reason: "exact" };
    else if (earlyStop === "adaptive" && adaptiveDecided(this.#ballots(), rule, adaptiveThreshold)) {
      this.#settled = { at, reason: "adaptive" };
    }
  }
}
