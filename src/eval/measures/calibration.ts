// How well a score between 0 and 1 predicts correctness: reliability bins, expected calibration error and AUROC.

/** An answer's score, 0 to 1, and whether it is right. */
export interface Judgement {
  readonly score: number;
  readonly correct: boolean;
}

export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Mean score; null without answers. */
  readonly score: number | null;
  /** Share of right answers; null without answers. */
  readonly accuracy: number | null;
}

export interface Calibration {
  readonly bins: readonly ReliabilityBin[];
  /** Expected calibration error (Naeini et al. 2015); null without answers. */
  readonly ece: number | null;
  /** The chance that a right answer scores above a wrong one, ties counting half; null without both kinds. */
  readonly auroc: number | null;
}

const BINS = 10;

/** Ten bins of equal width; a score on a border belongs to the upper one, and 1 to the last. */
export function calibrationOf(judgements: readonly Judgement[]): Calibration {
  const bins = Array.from({ length: BINS }, (_, index): ReliabilityBin => {
    const inside = judgements.filter(({ score }) => binOf(score) === index);
    const count = inside.length;
    return {
      from: index / BINS,
      to: (index + 1) / BINS,
      count,
      score: count === 0 ? null : inside.reduce((sum, { score }) => sum + score, 0) / count,
      accuracy: count === 0 ? null : inside.filter(({ correct }) => correct).length / count,
    };
  });
  const off = bins.reduce(
    (sum, { count, score, accuracy }) => sum + count * Math.abs((score ?? 0) - (accuracy ?? 0)),
    0,
  );
  return { bins, ece: judgements.length === 0 ? null : off / judgements.length, auroc: auroc(judgements) };
}

function binOf(score: number): number {
  // 0.7 * 10 is 7.000000000000001 and 0.29 * 100 is 28.999…, so round first.
  return Math.min(BINS - 1, Math.floor(Math.round(score * BINS * 1e9) / 1e9));
}

/** The Mann–Whitney statistic over the pairs of a right and a wrong answer. */
function auroc(judgements: readonly Judgement[]): number | null {
  const sorted = judgements.toSorted((a, b) => a.score - b.score);
  const right = judgements.filter(({ correct }) => correct).length;
  const wrong = judgements.length - right;
  if (right === 0 || wrong === 0) return null;
  let rankSum = 0;
  for (let from = 0; from < sorted.length; ) {
    let to = from;
    while (to < sorted.length && sorted[to]!.score === sorted[from]!.score) to += 1;
    const rank = (from + 1 + to) / 2;
    rankSum += rank * sorted.slice(from, to).filter(({ correct }) => correct).length;
    from = to;
  }
  return (rankSum - (right * (right + 1)) / 2) / (right * wrong);
}
