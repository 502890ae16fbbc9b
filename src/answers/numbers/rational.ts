// Exact rational numbers: arithmetic, and how a value is written. It reads no text beyond plain decimals.

export interface Rational {
  readonly numerator: bigint;
  /** Above zero, with no factor shared with the numerator. */
  readonly denominator: bigint;
}

/** The most digits, and the largest power of ten, that are computed with. Longer numbers are compared as text. */
const MAX_DIGITS = 60;

const MAX_SIZE = 10n ** 400n;

/** Whether a value, which computations made larger than any answer, is still computed with. */
export function isBounded({ numerator, denominator }: Rational): boolean {
  return numerator < MAX_SIZE && numerator > -MAX_SIZE && denominator < MAX_SIZE;
}

/** A fraction in lowest terms; the denominator must not be zero. */
export function rational(numerator: bigint, denominator: bigint = 1n): Rational {
  let a = numerator < 0n ? -numerator : numerator;
  let b = denominator < 0n ? -denominator : denominator;
  while (b !== 0n) [a, b] = [b, a % b];
  const sign = denominator < 0n ? -1n : 1n;
  return { numerator: (sign * numerator) / a, denominator: (sign * denominator) / a };
}

/** The value of "12", "12.50" or ".5"; null when it is something else or longer than MAX_DIGITS. */
export function parseDecimal(digits: string): Rational | null {
  const match = /^(\d*)(?:\.(\d*))?$/.exec(digits);
  const whole = match?.[1] ?? "";
  const fraction = match?.[2] ?? "";
  const length = whole.length + fraction.length;
  if (length === 0 || length > MAX_DIGITS) return null;
  return rational(BigInt(whole + fraction), 10n ** BigInt(fraction.length));
}

/** 10^exponent; null when the exponent is larger than MAX_DIGITS. */
export function powerOfTen(exponent: number): Rational | null {
  if (Math.abs(exponent) > MAX_DIGITS) return null;
  const power = 10n ** BigInt(Math.abs(exponent));
  return exponent < 0 ? rational(1n, power) : rational(power);
}

export function add(a: Rational, b: Rational): Rational {
  return rational(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
}

export function multiply(a: Rational, b: Rational): Rational {
  return rational(a.numerator * b.numerator, a.denominator * b.denominator);
}

/** Null when `b` is zero. */
export function divide(a: Rational, b: Rational): Rational | null {
  if (b.numerator === 0n) return null;
  return rational(a.numerator * b.denominator, a.denominator * b.numerator);
}

export function negate(a: Rational): Rational {
  return { numerator: -a.numerator, denominator: a.denominator };
}

/** The mixed number 2 1/2 → 5/2; null unless `whole` is an integer and `fraction` is from 0 to below 1. */
export function mixedNumber(whole: Rational, fraction: Rational): Rational | null {
  const isProper = fraction.numerator >= 0n && fraction.numerator < fraction.denominator;
  if (whole.denominator !== 1n || !isProper) return null;
  return rational(whole.numerator * fraction.denominator + fraction.numerator, fraction.denominator);
}

/** `18`, `-\frac{3}{4}`: equal values give equal strings. */
export function toLatex({ numerator, denominator }: Rational): string {
  if (denominator === 1n) return String(numerator);
  const sign = numerator < 0n ? "-" : "";
  return `${sign}\\frac{${numerator < 0n ? -numerator : numerator}}{${denominator}}`;
}

/** `18`, `12.5`; null when the value has no finite decimal expansion. */
export function toDecimal({ numerator, denominator }: Rational): string | null {
  let places = 0;
  let scaled = 1n;
  while (scaled % denominator !== 0n) {
    if (++places > 2 * MAX_DIGITS) return null;
    scaled *= 10n;
  }
  const digits = (((numerator < 0n ? -numerator : numerator) * scaled) / denominator).toString();
  const sign = numerator < 0n ? "-" : "";
  if (places === 0) return sign + digits;
  const padded = digits.padStart(places + 1, "0");
  return `${sign}${padded.slice(0, -places)}.${padded.slice(-places)}`;
}
