// The running vote of one question: counts samples as they finish and says when the vote is decided, so that the caller
// can cancel the rest.

import { canonicalAnswer, extractAnswer } from "../answers/answer.ts";
import type { Choice, Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { discardReasonOf, type FinishReason } from "../base/finish-reason.ts";
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
  /** A stopped sample has no vote. */
  readonly finishReason: FinishReason;
  readonly logprobMean: number;
  readonly tokens: number;
}

export interface SampleReport extends FinishedSample {
  /** Null if none could be read, or if the sample was stopped. */
  readonly answer: string | null;
}

export interface VoteResult {
  readonly answer: string | null;
  /** The text of the most confident sample with this answer; null without an answer. */
  readonly reasoning: string | null;
  readonly votes: readonly Vote[];
  /** True if the two best answers have the same weight. */
  readonly tied: boolean;
  /** Samples finished when the vote was settled. */
  readonly decidedAt: number;
  readonly stopReason: StopReason;
  readonly samples: readonly SampleReport[];
}

interface Recorded {
  readonly report: SampleReport;
  readonly ballot: VotingSample;
}

/** Reads a sample's answer and makes it a vote. */
export function ballotOf(
  sample: {
    readonly index: number;
    readonly text: string;
    readonly confidence: number;
    readonly weight?: number;
  },
  task: Task,
  choices: readonly Choice[] | null,
): VotingSample {
  const { text, ...ballot } = sample;
  const display = extractAnswer(task, text, { choices });
  return {
    ...ballot,
    display,
    answer: display === null ? null : canonicalAnswer(task, display, { choices }),
  };
}

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
   * Counts a finished sample. `decided` is not null once an early-stopping rule has settled the vote: cancel the running
   * samples. A sample that finishes after that is read and reported, but has no vote. `read`: the sample's vote where its text
   * was read before.
   *
   * @throws MagdiError MAGDI_BAD_CONFIG if the index is out of range or was added before
   */
  add(
    sample: FinishedSample,
    read?: VotingSample,
  ): { answer: string | null; decided: null | "exact" | "adaptive" } {
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
    const stopped = discardReasonOf(sample.finishReason) !== null;
    const { index, text, logprobMean } = sample;
    const ballot = stopped
      ? { index, answer: null, display: null, confidence: confidenceOf(logprobMean) }
      : (read ?? ballotOf({ index, text, confidence: confidenceOf(logprobMean) }, task, choices));
    const answer = ballot.display;
    this.#recorded.set(index, {
      report: { ...sample, answer },
      // No vote once the vote is settled.
      ballot: this.#settled === null ? ballot : { ...ballot, answer: null },
    });
    this.#settle();
    const reason = this.#settled?.reason;
    return { answer, decided: reason === "exact" || reason === "adaptive" ? reason : null };
  }

  /** Settles the vote with the samples finished so far. No effect if already settled. */
  enough(): void {
    this.#settled ??= { at: this.#recorded.size, reason: "enough" };
  }

  /** Samples that have not finished. */
  get remaining(): number {
    return this.#options.samples - this.#recorded.size;
  }

  /** Settled by an early-stopping rule, by enough(), or because all samples have finished. */
  get settled(): boolean {
    return this.#settled !== null;
  }

  tally(): Tally {
    return tally(this.#ballots(), this.#options.rule);
  }

  /** The vote's result; before the vote is settled, that of the samples so far, with the stop reason "enough". */
  result(): VoteResult {
    const { answer, speaker, votes, tied } = this.tally();
    const settled = this.#settled ?? { at: this.#recorded.size, reason: "enough" };
    return {
      answer,
      reasoning: speaker === null ? null : (this.#recorded.get(speaker)?.report.text ?? null),
      votes,
      tied,
      decidedAt: settled.at,
      stopReason: settled.reason,
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
