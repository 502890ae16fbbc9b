// The values of a measurement and their exact percentiles.

export interface Summary {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export class Distribution {
  readonly #values: number[] = [];

  add(value: number): void {
    this.#values.push(value);
  }

  addAll(values: readonly number[]): void {
    for (const value of values) this.#values.push(value);
  }

  get count(): number {
    return this.#values.length;
  }

  /** Null without values. */
  summary(): Summary | null {
    const sorted = Float64Array.from(this.#values).sort();
    const { length } = sorted;
    if (length === 0) return null;
    return {
      count: length,
      mean: sorted.reduce((sum, value) => sum + value, 0) / length,
      min: percentile(sorted, 0),
      p50: percentile(sorted, 50),
      p90: percentile(sorted, 90),
      p95: percentile(sorted, 95),
      p99: percentile(sorted, 99),
      max: percentile(sorted, 100),
    };
  }
}

/** The smallest of the ascending values that at least `percent` of them do not exceed (nearest rank). */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  const value = sorted[rank - 1];
  if (value === undefined) throw new RangeError("percentile: expected at least one value, found none");
  return value;
}

/** The middle value, or the lower of the two; 0 without values. */
export function median(values: readonly number[]): number {
  return values.length === 0 ? 0 : percentile(Float64Array.from(values).sort(), 50);
}
