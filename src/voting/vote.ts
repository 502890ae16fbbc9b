// The vote over the samples of one question: winner, shares, and the sample that represents each answer. Answers are
// compared by their canonical keys only.

export type VoteRule = "majority" | "confidence";

/** A finished sample's vote. */
export interface VotingSample {
  readonly index: number;
  /** The canonical key of its answer; null for no answer, and so no vote. */
  readonly answer: string | null;
  /** The answer as the sample wrote it, normalised. */
  readonly display: string | null;
  /** exp(mean token log-probability), 0 to 1. */
  readonly confidence: number;
  /** Weight of its vote under `majority`. Default 1. */
  readonly weight?: number;
}

/** The values that answers are ranked by. */
export interface Standing {
  /** Canonical key. */
  readonly answer: string;
  readonly count: number;
  /** Sum of the weights in whole millionths, so that sums are exact. */
  readonly weightMillionths: number;
  /** Sum of confidences in order of sample index. */
  readonly confidence: number;
  readonly lowestIndex: number;
}

export interface Vote {
  readonly answer: string;
  readonly count: number;
  readonly weight: number;
  /** weight / sum of all weights. */
  readonly share: number;
}

export interface Tally {
  /** The winner's canonical key; null if no sample has an answer. */
  readonly key: string | null;
  /** The winner as its speaker wrote it. */
  readonly answer: string | null;
  /** Index of the winner's most confident sample; null without a winner. */
  readonly speaker: number | null;
  /** Best first, each answer as its most confident sample wrote it. */
  readonly votes: readonly Vote[];
  /** True if the two best answers have the same weight, so that a tie-break decided. */
  readonly tied: boolean;
}

/** Mean token log-probability → confidence in [0, 1]; 0 for NaN, which a sample without tokens has. */
export function confidenceOf(logprobMean: number): number {
  return Number.isNaN(logprobMean) ? 0 : Math.min(1, Math.exp(logprobMean));
}

/** A confidence rescaled as ReConcile's code does (Chen et al. 2024, arXiv 2309.13007, section 3), in tenths. */
export function rescaledTenths(confidence: number): number {
  if (confidence <= 0.6) return 1;
  if (confidence < 0.8) return 3;
  if (confidence < 0.9) return 5;
  return confidence < 1 ? 8 : 10;
}

/** A vote's weight under a rule, in millionths. */
export function weightMillionths(
  { confidence, weight = 1 }: Pick<VotingSample, "confidence" | "weight">,
  rule: VoteRule,
): number {
  return rule === "majority" ? Math.round(weight * 1e6) : rescaledTenths(confidence) * 1e5;
}

/**
 * Ranks answers: greater weight (under `majority` by default the number of votes), then more votes, then greater summed
 * confidence, then the lowest sample index. Negative if `a` is better; never 0 for two different answers, because they
 * share no sample.
 */
export function compareStandings(a: Standing, b: Standing): number {
  return (
    b.weightMillionths - a.weightMillionths ||
    b.count - a.count ||
    b.confidence - a.confidence ||
    a.lowestIndex - b.lowestIndex
  );
}

/** One standing for each answer, best first. Sums run in index order, so the order of completion does not matter. */
export function standings(samples: readonly Omit<VotingSample, "display">[], rule: VoteRule): Standing[] {
  const byAnswer = new Map<string, Standing>();
  for (const sample of [...samples].sort((a, b) => a.index - b.index)) {
    if (sample.answer === null) continue;
    const before = byAnswer.get(sample.answer);
    byAnswer.set(sample.answer, {
      answer: sample.answer,
      count: (before?.count ?? 0) + 1,
      weightMillionths: (before?.weightMillionths ?? 0) + weightMillionths(sample, rule),
      confidence: (before?.confidence ?? 0) + sample.confidence,
      lowestIndex: before?.lowestIndex ?? sample.index,
    });
  }
  return [...byAnswer.values()].sort(compareStandings);
}

/** The vote of `samples` under `rule`. Ties are broken by compareStandings, never at random. */
export function tally(samples: readonly VotingSample[], rule: VoteRule): Tally {
  const ranked = standings(samples, rule);
  const total = ranked.reduce((sum, standing) => sum + standing.weightMillionths, 0);
  const votes = ranked.map((standing) => ({
    answer: speakerFor(standing.answer, samples)?.display ?? standing.answer,
    count: standing.count,
    weight: standing.weightMillionths / 1e6,
    share: total === 0 ? 0 : standing.weightMillionths / total,
  }));
  const winner = ranked[0];
  if (winner === undefined) return { key: null, answer: null, speaker: null, votes, tied: false };
  const speaker = speakerFor(winner.answer, samples);
  return {
    key: winner.answer,
    answer: speaker?.display ?? winner.answer,
    speaker: speaker?.index ?? null,
    votes,
    tied: ranked[1]?.weightMillionths === winner.weightMillionths,
  };
}

/** The most confident sample with an answer; the lowest index of equals. */
function speakerFor(answer: string, samples: readonly VotingSample[]): VotingSample | null {
  let best: VotingSample | null = null;
  for (const sample of samples) {
    if (sample.answer !== answer) continue;
    const better =
      best === null ||
      sample.confidence > best.confidence ||
      (sample.confidence === best.confidence && sample.index < best.index);
    if (better) best = sample;
  }
  return best;
}
