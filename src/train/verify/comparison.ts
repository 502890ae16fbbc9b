// How far two results lie apart, and how far they may. It does not know what the numbers mean.

export interface Errors {
  /** The largest |found − expected|. */
  readonly absolute: number;
  /** ‖found − expected‖ / ‖expected‖; the largest where several arrays are compared. */
  readonly relative: number;
}

const NOTHING: Errors = { absolute: 0, relative: 0 };

const worse = (a: number, b: number): number => (Number.isNaN(a) || a > b ? a : b);

const norm = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
};

/** Errors of arrays of one length; NaN where a value is. `floor` is the least norm that is divided by. */
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

/** The worst of several; nothing at all is no error. */
export function worstOf(errors: Iterable<Errors>): Errors {
  let worst = NOTHING;
  for (const { absolute, relative } of errors) {
    worst = { absolute: worse(absolute, worst.absolute), relative: worse(relative, worst.relative) };
  }
  return worst;
}

/** What a gradient's error is divided by at least, so that within 1e-4 of it is what float32 resolves of all of them
 * together: sums of many terms that nearly cancel, as a head's bias has, are no finer in any framework. */
export function gradientFloor(all: Iterable<ArrayLike<number>>): number {
  let squares = 0;
  for (const values of all) squares += norm(values) ** 2;
  const least = 1e-3 * Math.sqrt(squares);
  return least > 0 && Number.isFinite(least) ? least : Number.MIN_VALUE;
}

/** Which error counts, and how large it may be. */
export interface Tolerance {
  readonly kind: keyof Errors;
  readonly limit: number;
}

/** An absolute limit, never finer than float32 resolves numbers as large as the expected ones after many sums. */
export function absoluteWithin(limit: number, expected: ArrayLike<number>, resolution: number): Tolerance {
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]!));
  return { kind: "absolute", limit: Math.max(limit, resolution * largest) };
}

/** False for NaN too. */
export const isWithin = (errors: Errors, { kind, limit }: Tolerance): boolean => errors[kind] <= limit;
