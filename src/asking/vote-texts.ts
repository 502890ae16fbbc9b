// The vote over texts that somebody else generated: read as the samples of a question are, and counted as they are.

import type { Choice, Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { tally, type Vote, type VoteRule, type VotingSample } from "../voting/vote.ts";
import { ballotOf } from "../voting/voter.ts";
import { resolveTask } from "./question.ts";

export interface VotedTexts {
  /** Default: multiple-choice with choices, else as the question tells it. */
  readonly task?: Task | undefined;
  readonly question?: string | undefined;
  /** Texts are labelled A, B, C, … */
  readonly choices?: readonly (string | Choice)[] | undefined;
  readonly samples: readonly {
    readonly text: string;
    /** Under `majority` what the vote weighs; under `confidence` a confidence from 0 to 1. Default 1. */
    readonly weight?: number | undefined;
  }[];
  /** Default majority. */
  readonly rule?: VoteRule | undefined;
}

export interface TextVote {
  readonly task: Task;
  /** Null when no text has an answer. */
  readonly answer: string | null;
  /** Best first. */
  readonly votes: readonly Vote[];
  /** True when the two best have the same weight, so that a tie-break chose. */
  readonly tied: boolean;
  /** In the order of the texts. */
  readonly samples: readonly { readonly answer: string | null }[];
}

/** Other work has a turn after so many characters. */
const CHARACTERS_AT_ONCE = 16_384;

/**
 * @throws MagdiError MAGDI_BAD_REQUEST for labels that come twice, and for a confidence above 1
 * @example
 * const { answer } = await voteOnTexts({ samples: [{ text: "So it is 4." }, { text: "The answer is 4.0" }], task: "math" });
 */
export async function voteOnTexts({ rule = "majority", ...asked }: VotedTexts): Promise<TextVote> {
  const { task, choices } = resolveTask(asked);
  const ballots: VotingSample[] = [];
  let characters = 0;
  for (const [index, { text, weight = 1 }] of asked.samples.entries()) {
    if (rule === "confidence" && weight > 1) {
      const param = `samples[${index}].weight`;
      const message = `${param}: expected a confidence from 0 to 1 under the rule confidence, found ${weight}`;
      throw new MagdiError("MAGDI_BAD_REQUEST", message, { param });
    }
    const confidence = rule === "confidence" ? weight : 1;
    ballots.push(ballotOf({ index, text, confidence, weight }, task, choices));
    characters += text.length;
    if (characters < CHARACTERS_AT_ONCE) continue;
    characters = 0;
    await new Promise(setImmediate);
  }
  const { answer, votes, tied } = tally(ballots, rule);
  return { task, answer, votes, tied, samples: ballots.map(({ display }) => ({ answer: display })) };
}
