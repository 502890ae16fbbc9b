// What early stopping would have answered and saved, from samples that all ran to their end: they are counted in the
// order in which a server counts them, by length and index, and the others stop where they stand when the vote is
// decided. The vote is the one that serves.

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
  /** Samples finished when the vote was settled. */
  readonly decidedAt: number;
  /** Tokens generated until then, those of the stopped samples included. */
  readonly tokens: number;
}

/**
 * Replays one question's samples as if all had decoded side by side: a step gives every running sample one token, in
 * order of index, so a sample behind the one that decided is one token short of those before it.
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
