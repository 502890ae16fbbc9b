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
  ["trillion", 1_000_000_000_000],
]);

/** What a number is multiplied by that stands before this word: 1.5 million. Null for any other word. */
export function scaleOf(word: string): Rational | null {
  const scale = SCALES.get(word.toLowerCase());
  return scale === undefined ? null : rational(BigInt(scale));
}

/**
 * "twelve", "forty-two", "a hundred", "three hundred and five" → its value; null when a word is none of a number, or
 * does not go on the number before it, as in "five six".
 */
export function parseNumberWords(text: string): number | null {
  const words = text
    .toLowerCase()
    .split(/[\s-]+/)
    .filter((word) => word !== "");
  if (words.length === 0 || words.length > 12) return null;
  if (/^an?$/.test(words[0] ?? "") && SCALES.has(words[1] ?? "")) words[0] = "one";
  let total = 0;
  let group = 0;
  let lastScale = Number.POSITIVE_INFINITY;
  for (const [at, word] of words.entries()) {
    const value = UNITS.get(word) ?? TENS.get(word);
    const scale = SCALES.get(word);
    if (word === "and") {
      if (!SCALES.has(words[at - 1] ?? "") || at === words.length - 1) return null;
    } else if (value !== undefined) {
      if (at > 0 && !goesOn(group, value)) return null;
      group += value;
    } else if (scale === 100) {
      if (group >= 100) return null;
      group = (group || 1) * 100;
    } else if (scale !== undefined) {
      if (scale >= lastScale) return null;
      lastScale = scale;
      total += (group || 1) * scale;
      group = 0;
    } else return null;
  }
  return total + group;
}

/** A unit behind a ten, and both behind hundreds. */
function goesOn(group: number, value: number): boolean {
  if (value === 0) return false;
  return value < 10 ? group % 10 === 0 && group % 100 !== 10 : group % 100 === 0;
}
