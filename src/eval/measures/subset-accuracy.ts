// The accuracy of votes of fewer samples, as the mean over subsets: one run of N samples gives an unbiased estimate for
// every n ≤ N.

import { sampleRandom } from "../../engine/random.ts";
import { standings, type VoteRule } from "../../voting/vote.ts";

/** One sample as its question's vote sees it, and whether its answer is right. */
export interface JudgedSample {
  readonly index: number;
  /** The canonical key of its answer; null when it has none. */
  readonly answer: string | null;
  readonly confidence: number;
  readonly correct: boolean;
}

/** Up to this number all subsets are taken; beyond it, this many are drawn. */
const MAX_SUBSETS = 1024;

/**
 * The chance that a vote of `size` samples, drawn without replacement, is right: exact where there are at most 1024
 * subsets, else the mean over 1024 drawn by `seed`, which is unbiased too.
 */
export function subsetAccuracy(
  samples: readonly JudgedSample[],
  size: number,
  rule: VoteRule,
  seed: number,
): number {
  const right = new Map(samples.map((sample) => [sample.answer, sample.correct]));
  const answers = new Set(samples.map(({ answer }) => answer));
  if (answers.size === 1) return samples[0]?.correct === true ? 1 : 0;
  if (size === 1) return samples.filter(({ correct }) => correct).length / samples.length;
  let votes = 0;
  let correct = 0;
  for (const subset of subsets(samples, size, seed)) {
    votes += 1;
    const winner = standings(subset, rule)[0];
    if (winner !== undefined && right.get(winner.answer) === true) correct += 1;
  }
  return correct / votes;
}

function* subsets<T>(items: readonly T[], size: number, seed: number): Generator<T[]> {
  if (combinations(items.length, size) <= MAX_SUBSETS) {
    yield* allSubsets(items, size, 0);
    return;
  }
  const random = sampleRandom(seed, size);
  for (let drawn = 0; drawn < MAX_SUBSETS; drawn++) {
    // The first `size` places of a Fisher–Yates shuffle.
    const pool = [...items];
    for (let at = 0; at < size; at++) {
      const other = at + Math.floor(random.nextFloat() * (pool.length - at));
      [pool[at], pool[other]] = [pool[other]!, pool[at]!];
    }
    yield pool.slice(0, size);
  }
}

function* allSubsets<T>(items: readonly T[], size: number, from: number): Generator<T[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (let at = from; at <= items.length - size; at++) {
    for (const rest of allSubsets(items, size - 1, at + 1)) yield [items[at]!, ...rest];
  }
}

function combinations(items: number, size: number): number {
  let count = 1;
  for (let step = 1; step <= size; step++) count = (count * (items - size + step)) / step;
  return Math.round(count);
}
