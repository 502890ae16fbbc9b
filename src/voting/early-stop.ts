// Early stopping: when a vote is decided before all samples have finished.

import { regularisedIncompleteBeta } from "./beta-distribution.ts";
import {
  compareStandings,
  type Standing,
  standings,
  type VoteRule,
  type VotingSample,
  weightMillionths,
} from "./vote.ts";

export type EarlyStop = "exact" | "adaptive" | "off";

/** Adaptive-Consistency's default threshold. */
export const ADAPTIVE_THRESHOLD = 0.95;

type Finished = Pick<VotingSample, "index" | "answer" | "confidence">;

/**
 * True only when no outcome of the running samples can change the winner: any answers, any confidences up to 1, ties
 * included, or no answers at all. `running` are their indices.
 *
 * Without further answers the current winner stays, so the question is whether a rival can overtake it. A rival does best
 * when every running sample votes for it with confidence 1: each of the four criteria of compareStandings only improves with
 * one more vote, for the winner too. So one comparison with each rival is enough; an answer not yet seen is a rival without
 * votes. This holds with rounding too, because a sum in order of index is monotone in its terms.
 */
export function exactDecided(
  finished: readonly Finished[],
  running: readonly number[],
  rule: VoteRule,
): boolean {
  if (running.length === 0) return true;
  const ranked = standings(finished, rule);
  const winner = ranked[0];
  if (winner === undefined) return false;
  const rivals: (string | null)[] = [...ranked.slice(1).map((standing) => standing.answer), null];
  return rivals.every((rival) => compareStandings(winner, atBest(rival, finished, running, rule)) < 0);
}

/** A rival's standing if all running samples vote for it with confidence 1; null: an answer not yet seen. */
function atBest(
  rival: string | null,
  finished: readonly Finished[],
  running: readonly number[],
  rule: VoteRule,
): Standing {
  const own = rival === null ? [] : finished.filter((sample) => sample.answer === rival);
  const confidences = new Map(own.map((sample) => [sample.index, sample.confidence]));
  for (const index of running) confidences.set(index, 1);
  const indices = [...confidences.keys()].sort((a, b) => a - b);
  let weight = 0;
  let confidence = 0;
  for (const index of indices) {
    const one = confidences.get(index) ?? 0;
    weight += weightMillionths({ confidence: one }, rule);
    confidence += one;
  }
  return {
    answer: rival ?? "",
    count: indices.length,
    weightMillionths: weight,
    confidence,
    lowestIndex: indices[0] ?? Number.POSITIVE_INFINITY,
  };
}

/**
 * Adaptive-Consistency (Aggarwal et al. 2023, arXiv 2305.11860, equation 3): the probability that the leader stays ahead of
 * the runner-up, P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1), v1 and v2 their votes.
 */
export function leaderProbability(leaderVotes: number, runnerUpVotes: number): number {
  return 1 - regularisedIncompleteBeta(0.5, leaderVotes + 1, runnerUpVotes + 1);
}

/**
 * True when leaderProbability reaches the threshold, for the vote's winner under `rule` and the other answer with the most
 * votes.
 */
export function adaptiveDecided(
  finished: readonly Finished[],
  rule: VoteRule,
  threshold: number = ADAPTIVE_THRESHOLD,
): boolean {
  const [winner, ...others] = standings(finished, rule);
  if (winner === undefined) return false;
  const runnerUpVotes = others.reduce((most, standing) => Math.max(most, standing.count), 0);
  return leaderProbability(winner.count, runnerUpVotes) >= threshold;
}
