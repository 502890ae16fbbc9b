// Replays early stopping on samples that all ran to their end: what it would have answered, and the tokens it would
// have saved.

import type { Choice, Task } from "../../answers/task.ts";
import type { EarlyStop } from "../../voting/early-stop.ts";
import type { VoteRule } from "../../voting/vote.ts";
import { type FinishedSample, Voter } from "../../voting/voter.ts";

export interface ReplayOptions {
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
  readonly rule: VoteRule;
  readonly earlyStop: EarlyStop;
  readonly adaptiveThreshold: number;
}

export interface Replay {
  readonly answer: string | null;
  /** Finished samples when the vote was decided. */
  readonly decidedAt: number;
  /** Tokens generated until then, including those of the stopped samples. */
  readonly tokens: number;
}

/**
 * Replays one question's samples as if all had decoded in one batch: each step adds a token to every running sample in
 * order of index, so samples after the deciding one are one token shorter.
 */
export function replayEarlyStop(samples: readonly FinishedSample[], options: ReplayOptions): Replay {
  const { task, choices, rule, earlyStop, adaptiveThreshold } = options;
  const voter = new Voter({ task, choices, samples: samples.length, rule, earlyStop, adaptiveThreshold });
  const order = samples.toSorted((a, b) => a.tokens - b.tokens || a.index - b.index);
  let tokens = 0;
  let decisive: FinishedSample | null = null;
  for (const sample of order) {
    if (decisive === null) {
      tokens += sample.tokens;
      if (voter.add(sample).decided !== null) decisive = sample;
    } else tokens += sample.index < decisive.index ? decisive.tokens : Math.max(0, decisive.tokens - 1);
  }
  const { answer, decidedAt } = voter.result();
  return { answer, decidedAt, tokens };
}
