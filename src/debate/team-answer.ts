// The answer of a team: three votes over the nodes of a debate's last round.

import { standings, tally, type VotingSample } from "../voting/vote.ts";
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
  const samples = nodes.map(
    ({ key, answer, confidence }, index): VotingSample => ({
      ...{ index, answer: key, display: answer, confidence: confidence ?? 0 },
    }),
  );
  const ranked = standings(samples, "majority"); // among equal means its order decides: the sort is stable
  const [surest] = ranked.toSorted((a, b) => b.confidence / b.count - a.confidence / a.count);
  const ofSurest = samples.filter(({ answer }) => answer === surest?.answer);
  return {
    rescaled: tally(samples, "confidence").answer,
    majority: tally(samples, "majority").answer,
    meanConfidence: surest === undefined ? null : tally(ofSurest, "majority").answer,
  };
}
