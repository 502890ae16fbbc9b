// The answer of a team: three votes over the nodes of a debate's last round.

import { type Standing, standings, type Tally, tally, type VotingSample } from "../voting/vote.ts";
import type { DebateNode } from "./node-groups.ts";

/** Null when no node has an answer. */
export interface TeamAnswer {
  /** Votes weighted by confidences as ReConcile rescales them: the paper's vote. */
  readonly rescaled: string | null;
  /** Each agent one vote. */
  readonly majority: string | null;
  /** The answer whose agents are the surest on average. */
  readonly meanConfidence: string | null;
}

/**
 * The three votes. Nodes without an answer have none; a missing confidence counts as 0. Of answers that are level the one
 * with more votes wins, then the one with the greater sum of confidences, then that of the agent that comes first.
 */
export function teamAnswer(nodes: readonly DebateNode[]): TeamAnswer {
  return {
    rescaled: teamTally(nodes, "rescaled").answer,
    majority: teamTally(nodes, "majority").answer,
    meanConfidence: teamTally(nodes, "mean_confidence").answer,
  };
}

/** One of the votes with all its answers; the speaker's index is that of its node. By mean_confidence an answer weighs its mean. */
export function teamTally(
  nodes: readonly DebateNode[],
  vote: "rescaled" | "majority" | "mean_confidence",
): Tally {
  const samples = nodes.map(
    ({ key, answer, confidence }, index): VotingSample => ({
      ...{ index, answer: key, display: answer, confidence: confidence ?? 0 },
    }),
  );
  if (vote !== "mean_confidence") return tally(samples, vote === "rescaled" ? "confidence" : "majority");
  const ranked = standings(samples, "majority"); // among equal means its order decides: the sort is stable
  const surest = ranked.toSorted((a, b) => meanOf(b) - meanOf(a));
  const total = surest.reduce((sum, one) => sum + meanOf(one), 0);
  const alone = surest.map((one) => ({
    mean: meanOf(one),
    tally: tally(
      samples.filter(({ answer }) => answer === one.answer),
      "majority",
    ),
  }));
  const votes = alone.flatMap(({ mean, tally: { votes } }) =>
    votes.map((one) => ({ ...one, weight: mean, share: total === 0 ? 0 : mean / total })),
  );
  const [first, second] = alone;
  if (first === undefined) return { key: null, answer: null, speaker: null, votes, tied: false };
  return { ...first.tally, votes, tied: first.mean === second?.mean };
}

const meanOf = ({ confidence, count }: Standing) => confidence / count;
