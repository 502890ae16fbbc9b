// Median and spread of repeated measurements.

export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  readonly values: readonly number[];
}

/** @throws Error when there is nothing to summarise */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [lowest] = sorted;
  if (lowest === undefined) throw new Error("expected at least one measurement, found none");
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? lowest;
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
  return { median, lowest, highest: sorted.at(-1) ?? lowest, values };
}
