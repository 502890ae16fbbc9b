// Errors between two arrays of numbers, and tolerances for them.

export interface Errors {
  /** The largest |found − expected|. */
  readonly absolute: number;
  /** ‖found − expected‖ / ‖expected‖, the largest when several arrays are compared */
  readonly relative: number;
}

const NOTHING: Errors = { absolute: 0, relative: 0 };

const worse = (a: number, b: number): number => (Number.isNaN(a) || a > b ? a : b);

const norm = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
};

/** Errors between arrays of the same length; NaN if a value is. The relative error divides by at least `floor`. */
export function errorsOf(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  floor = Number.MIN_VALUE,
): Errors {
  let absolute = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    absolute = worse(difference, absolute);
    squares += difference * difference;
  }
  return { absolute, relative: Math.sqrt(squares) / Math.max(norm(expected), floor) };
}

/** The largest of several, or 0. */
export function worstOf(errors: Iterable<Errors>): Errors {
  let worst = NOTHING;
  for (const { absolute, relative } of errors) {
    worst = { absolute: worse(absolute, worst.absolute), relative: worse(relative, worst.relative) };
  }
  return worst;
}

/** The least norm that a tensor's error is divided by: a share of the norm of all tensors together. */
export function normFloor(all: Iterable<ArrayLike<number>>, share: number): number {
  let squares = 0;
  for (const values of all) squares += norm(values) ** 2;
  const least = share * Math.sqrt(squares);
  return least > 0 && Number.isFinite(least) ? least : Number.MIN_VALUE;
}

/** Which error is compared, and its limit. */
export interface Tolerance {
  readonly kind: keyof Errors;
  readonly limit: number;
}

/** An absolute limit, raised to `resolution` times the largest expected value: float32 sums of such values are no more
 * precise. */
export function absoluteWithin(limit: number, expected: ArrayLike<number>, resolution: number): Tolerance {
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]!));
  return { kind: "absolute", limit: Math.max(limit, resolution * largest) };
}

/** False for NaN too. */
export const isWithin = (errors: Errors, { kind, limit }: Tolerance): boolean => errors[kind] <= limit;
