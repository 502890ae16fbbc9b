// Exact rational numbers, so that 0.5, 1/2 and \frac12 are one value. It knows nothing of text beyond plain decimals.

export interface Rational {
  readonly numerator: bigint;
  /** Above zero, with no factor shared with the numerator. */
  readonly denominator: bigint;
}

/** Longer literals are compared as they are written: exact arithmetic on them would cost more than it says. */
export const MAX_DIGITS = 60;

export function rational(numerator: bigint, denominator: bigint = 1n): Rational | null {
  if (denominator === 0n) return null;
  let a = numerator < 0n ? -numerator : numerator;
  let b = denominator < 0n ? -denominator : denominator;
  while (b !== 0n) [a, b] = [b, a % b];
  const sign = denominator < 0n ? -1n : 1n;
  return { numerator: (sign * numerator) / a, denominator: (sign * denominator) / a };
}

/** "12", "12.50", ".5" and an exponent → its value; null when it is no such literal or a very long one. */
export function parseDecimal(digits: string, exponent = 0): Rational | null {
  const match = /^(\d*)(?:\.(\d*))?$/.exec(digits);
  const whole = match?.[1] ?? "";
  const fraction = match?.[2] ?? "";
  if (
    whole + fraction === "" ||
    whole.length + fraction.length > MAX_DIGITS ||
    Math.abs(exponent) > MAX_DIGITS
  ) {
    return null;
  }
  const power = exponent - fraction.length;
  const value = BigInt(whole + fraction);
  return power >= 0 ? rational(value * 10n ** BigInt(power)) : rational(value, 10n ** BigInt(-power));
}

export function add(a: Rational, b: Rational): Rational | null {
  return rational(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
}

export function multiply(a: Rational, b: Rational): Rational | null {
  return rational(a.numerator * b.numerator, a.denominator * b.denominator);
}

export function divide(a: Rational, b: Rational): Rational | null {
  return rational(a.numerator * b.denominator, a.denominator * b.numerator);
}

export function negate(a: Rational): Rational {
  return { numerator: -a.numerator, denominator: a.denominator };
}

/** `18`, `-\frac{3}{4}`: one writing for each value. */
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

const UNITS = new Map(
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    .split(" ")
    .map((word, value) => [word, value]),
);
const TENS = new Map(
  "twenty thirty forty fifty sixty seventy eighty ninety".split(" ").map((word, i) => [word, 20 + 10 * i]),
);
const SCALES = new Map([
  ["hundred", 100],
  ["thousand", 1_000],
  ["million", 1_000_000],
  ["billion", 1_000_000_000],
]);

/** "twelve", "forty-two", "three hundred and five" → its value; null when a word is no number. */
export function parseNumberWords(text: string): number | null {
  const words = text
    .toLowerCase()
    .split(/[\s-]+/)
    .filter((word) => word !== "" && word !== "and");
  if (words.length === 0 || words.length > 12) return null;
  let total = 0;
  let group = 0;
  for (const word of words) {
    const value = UNITS.get(word) ?? TENS.get(word);
    const scale = SCALES.get(word);
    if (value !== undefined) group += value;
    else if (scale === 100) group = (group || 1) * 100;
    else if (scale !== undefined) {
      total += (group || 1) * scale;
      group = 0;
    } else return null;
  }
  return total + group;
}
