// Replays early stopping on samples that all ran to their end: what it would have answered, and the tokens it would
// have saved.

import type { Choice, Task } from "../../answers/task.ts";
import { type EarlyStop, waveEnd } from "../../voting/early-stop.ts";
import type { VoteRule, VotingSample } from "../../voting/vote.ts";
import { type FinishedSample, Voter } from "../../voting/voter.ts";

export interface ReplayOptions {
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
  readonly rule: VoteRule;
  readonly earlyStop: EarlyStop;
  readonly adaptiveThreshold: number;
  /** Samples started at a time; null, the default, for all. */
  readonly wave?: number | null;
}

export interface ReplayedSample extends FinishedSample {
  /** Its vote, where its text was read before. */
  readonly ballot?: VotingSample;
}

export interface Replay {
  readonly answer: string | null;
  /** Finished samples when the vote was decided. */
  readonly decidedAt: number;
  /** Samples started until then. */
  readonly started: number;
  /** Tokens generated until then, including those of the stopped samples. */
  readonly tokens: number;
}

/**
 * Replays one question's samples, by index from 0, as if those of a wave had decoded in one batch: each step adds a token to
 * every running sample in order of index, so samples after the deciding one are one token shorter.
 */
export function replayEarlyStop(samples: readonly ReplayedSample[], options: ReplayOptions): Replay {
  const { task, choices, rule, earlyStop, adaptiveThreshold, wave = null } = options;
  const voter = new Voter({ task, choices, samples: samples.length, rule, earlyStop, adaptiveThreshold });
  let tokens = 0;
  let started = 0;
  let decisive: ReplayedSample | null = null;
  while (started < samples.length && decisive === null) {
    const first = started;
    started = waveEnd(first, samples.length, wave);
    const order = samples.slice(first, started).sort((a, b) => a.tokens - b.tokens || a.index - b.index);
    for (const sample of order) {
      if (decisive === null) {
        tokens += sample.tokens;
        if (voter.add(sample, sample.ballot).decided !== null) decisive = sample;
      } else tokens += sample.index < decisive.index ? decisive.tokens : Math.max(0, decisive.tokens - 1);
    }
  }
  const { answer, decidedAt } = voter.result();
  return { answer, decidedAt, started, tokens };
}
