// Contrastive pairs: a right and a wrong chain of the same question; and shuffling.

/** [positive, negative]: indices into one graph's nodes. */
export type Pair = readonly [number, number];

/**
 * As many pairs as the more frequent label has nodes: each of these once, those of the other label repeatedly. None when all
 * labels are equal. With `random` (numbers in [0, 1)) both sides are shuffled, the rarer one anew for each repetition;
 * without it they stay in order, as in the released code.
 *
 * @example contrastivePairs([1, 0, 1]) // [[0, 1], [2, 1]]
 */
export function contrastivePairs(labels: readonly number[], random?: () => number): Pair[] {
  const right = labels.flatMap((label, index) => (label === 1 ? [index] : []));
  const wrong = labels.flatMap((label, index) => (label === 0 ? [index] : []));
  if (right.length === 0 || wrong.length === 0) return [];
  const count = Math.max(right.length, wrong.length);
  const positives = repeated(right, count, random);
  const negatives = repeated(wrong, count, random);
  return positives.map((positive, index) => [positive, negatives[index]!]);
}

function repeated(nodes: readonly number[], count: number, random?: () => number): number[] {
  const all: number[] = [];
  while (all.length < count) all.push(...(random === undefined ? nodes : shuffled(nodes, random)));
  return all.slice(0, count);
}

/** A copy in random order (Fisher and Yates); `random` gives numbers in [0, 1). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [copy[last], copy[other]] = [copy[other]!, copy[last]!];
  }
  return copy;
}
