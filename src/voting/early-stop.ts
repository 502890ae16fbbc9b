// Early stopping: whether a vote is decided before all its samples have finished.

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

/** Where the wave that begins with sample `first` ends: `wave` samples start together, or all where it is null. The next wave
 * starts when all of it have ended and the vote is not decided. */
export function waveEnd(first: number, samples: number, wave: number | null): number {
  return wave === null ? samples : Math.min(samples, first + wave);
}

/** Adaptive-Consistency's default threshold. */
export const ADAPTIVE_THRESHOLD = 0.95;

type Finished = Pick<VotingSample, "index" | "answer" | "confidence">;

/**
 * True only if no outcome of the running samples (whose indices are `running`) can change the winner: any answers, any
 * confidences up to 1, ties included, or no answers at all.
 *
 * If no running sample answers, the current winner stays, so the question is whether a rival can overtake it. A rival
 * does best if every running sample votes for it with confidence 1: one more vote can only improve each of the four
 * values that standings are compared by, and never worsens the winner's. So one comparison for each rival is enough; an
 * answer not seen yet is a rival without votes. This holds with floating-point rounding too, because a sum in index
 * order is monotone in its terms.
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
  return rivals.every((rival) => compareStandings(winner, bestCase(rival, finished, running, rule)) < 0);
}

/** A rival's standing if all running samples vote for it with confidence 1; null is an answer not seen yet. */
function bestCase(
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
 * Adaptive-Consistency (Aggarwal et al. 2023, arXiv 2305.11860, equation 3): the probability that the leader stays ahead
 * of the runner-up with ever more samples, P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1) with their numbers of votes.
 */
export function leaderProbability(leaderVotes: number, runnerUpVotes: number): number {
  return 1 - regularisedIncompleteBeta(0.5, leaderVotes + 1, runnerUpVotes + 1);
}

/**
 * True if leaderProbability reaches the threshold. The leader is the winner under `rule`; the runner-up is the other
 * answer with the most votes.
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
