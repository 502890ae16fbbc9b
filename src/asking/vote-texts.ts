// The vote over texts generated elsewhere, read and counted like a question's samples.

import type { Choice, Task } from "../answers/task.ts";
import { tally, type Vote, type VoteRule, type VotingSample } from "../voting/vote.ts";
import { ballotOf } from "../voting/voter.ts";
import { resolveTask } from "./question.ts";
import { badField } from "./sampling.ts";

export interface VotedTexts {
  /** Default: multiple-choice if there are choices, otherwise inferred from the question. */
  readonly task?: Task | undefined;
  readonly question?: string | undefined;
  /** Strings get the labels A, B, C, … */
  readonly choices?: readonly (string | Choice)[] | undefined;
  readonly samples: readonly {
    readonly text: string;
    /** With `majority` the weight of the vote, with `confidence` the text's confidence from 0 to 1. Default 1. */
    readonly weight?: number | undefined;
  }[];
  /** Default majority. */
  readonly rule?: VoteRule | undefined;
}

export interface TextVote {
  readonly task: Task;
  /** Null if no text has a readable answer. */
  readonly answer: string | null;
  /** Best first. */
  readonly votes: readonly Vote[];
  /** True if the two best answers have the same weight, so that a tie-break decided. */
  readonly tied: boolean;
  /** In the order of the texts. */
  readonly samples: readonly { readonly answer: string | null }[];
}

/** A pause after reading so many characters. */
const CHARACTERS_PER_TURN = 16_384;

/**
 * `pause`: awaited now and then, as reading takes its time. Default: a turn of the event loop.
 *
 * @throws MagdiError MAGDI_BAD_REQUEST for duplicate labels and for a confidence above 1
 * @example
 * const { answer } = await voteOnTexts({ samples: [{ text: "So it is 4." }, { text: "The answer is 4.0" }], task: "math" });
 */
export async function voteOnTexts(
  { rule = "majority", ...asked }: VotedTexts,
  pause: () => Promise<unknown> = () => new Promise(setImmediate),
): Promise<TextVote> {
  const { task, choices } = resolveTask(asked);
  const ballots: VotingSample[] = [];
  let characters = 0;
  for (const [index, { text, weight = 1 }] of asked.samples.entries()) {
    if (rule === "confidence" && weight > 1) {
      const message = `expected a confidence from 0 to 1 with the rule confidence, found ${weight}`;
      throw badField(`samples[${index}].weight`, message);
    }
    const confidence = rule === "confidence" ? weight : 1;
    ballots.push(ballotOf({ index, text, confidence, weight }, task, choices));
    characters += text.length;
    if (characters < CHARACTERS_PER_TURN) continue;
    characters = 0;
    await pause();
  }
  const { answer, votes, tied } = tally(ballots, rule);
  return { task, answer, votes, tied, samples: ballots.map(({ display }) => ({ answer: display })) };
}
