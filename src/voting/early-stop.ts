// When a vote may stop before all its samples have finished. It knows which samples still run, not what they say.

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
 * If none of them answers, today's winner stays, so the question is whether another answer can overtake it. A rival
 * does best when every running sample votes for it with confidence 1: each of the four things that standings are
 * compared by only gets better with one more vote, and the winner's own never get worse. So one comparison a rival
 * decides, and a new answer is a rival that starts from nothing. Rounding keeps the argument, because a sum taken in
 * order of index is monotone in its terms.
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

/** A rival's standing if all running samples voted for it with confidence 1; null is an answer not yet seen. */
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
 * Adaptive-Consistency (Aggarwal et al. 2023, arXiv 2305.11860, equation 3): the chance that the leader would stay
 * ahead of the runner-up for ever, P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1), of the two greatest numbers of votes.
 */
export function leaderProbability(leaderVotes: number, runnerUpVotes: number): number {
  return 1 - regularisedIncompleteBeta(0.5, leaderVotes + 1, runnerUpVotes + 1);
}

/**
 * True when leaderProbability reaches the threshold. The leader is the vote's winner under `rule`; the runner-up has
 * the most votes of the others.
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
