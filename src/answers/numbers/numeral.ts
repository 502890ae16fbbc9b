// How one number is written, in running text and in LaTeX alike: digits with thousands separators, a decimal part and
// an exponent, scales (million), and number words. It knows neither signs nor fractions.

import { multiply, parseDecimal, powerOfTen, type Rational, rational } from "./rational.ts";

export interface Numeral {
  /** Where it ends in the text. */
  readonly end: number;
  /** Digits and decimal part as written, without thousands separators. */
  readonly digits: string;
  /** The e3 of 1.5e3; 0 when there is none. */
  readonly exponent: number;
  /** Null when the digits are too many to compute with. */
  readonly value: Rational | null;
}

/** Thousands separators that cannot be mistaken for the comma of a list: 1{,}000, 1\,000, 1,\!000. */
const LATEX_SEPARATOR = String.raw`\{,\}|,?\\[!,;]`;
/** All thousands separators, as a pattern. */
export const THOUSANDS_SEPARATOR = `(?:,|${LATEX_SEPARATOR})`;

const NUMERAL = numeralPattern(THOUSANDS_SEPARATOR);
const NUMERAL_IN_LIST = numeralPattern(`(?:${LATEX_SEPARATOR})`);
const EXPONENT = /e([-−+]?\d{1,3})(?![\w^{])/iy;

function numeralPattern(separator: string): RegExp {
  return new RegExp(String.raw`(?:\d{1,3}(?:${separator}\d{3})+(?!\d)|\d+)?(?:\.\d+)?`, "y");
}

/**
 * The numeral that begins at `at`; null when none does. In a list such as (1,234) commas separate its elements, and
 * are no thousands separators.
 */
export function readNumeral(text: string, at: number, { inList = false } = {}): Numeral | null {
  const written = matchAt(inList ? NUMERAL_IN_LIST : NUMERAL, text, at)?.[0] ?? "";
  if (written === "") return null;
  const digits = written.replace(/[^\d.]/g, "");
  const value = parseDecimal(digits);
  const end = at + written.length;
  const match = matchAt(EXPONENT, text, end);
  const exponent = match === null ? 0 : parseExponent(match[1] ?? "");
  const power = powerOfTen(exponent);
  if (match === null || power === null) return { end, digits, exponent: 0, value };
  const scaled = value === null ? null : multiply(value, power);
  return { end: end + match[0].length, digits, exponent, value: scaled };
}

/** Digits with an optional sign, perhaps the typographic minus. */
export function parseExponent(written: string): number {
  return Number(written.replace("−", "-"));
}

/** What a sticky pattern matches at one place of a text. */
export function matchAt(sticky: RegExp, text: string, at: number): RegExpExecArray | null {
  sticky.lastIndex = at;
  return sticky.exec(text);
}

/** "10 000 m" → "10000 m": joins groups of thousands that a text begins with and that are set apart by spaces. */
export function joinSpacedThousands(text: string): string {
  return text.replace(
    /^([-−]?[$£€]?\d{1,3})((?:[ \u00a0\u202f]\d{3})+)(?!\d)/,
    (_, head: string, groups: string) => head + groups.replace(/[^\d]/g, ""),
  );
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

/** The words that name a scale, as alternatives of a pattern. */
export const SCALE_WORDS = [...SCALES.keys()].join("|");

/** The value of a scale, such as the million of 1.5 million; null for any other word. */
export function scaleOf(word: string): Rational | null {
  const scale = SCALES.get(word.toLowerCase());
  return scale === undefined ? null : rational(BigInt(scale));
}

/**
 * The value of "twelve", "forty-two", "a hundred" or "three hundred and five"; null when a word belongs to no number,
 * or the words do not make one number, as in "five six".
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
      if (at > 0 && !canFollow(group, value)) return null;
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

/** Whether a value can be added to the words before it: a unit to tens, units or tens to hundreds. */
function canFollow(group: number, value: number): boolean {
  if (value === 0) return false;
  return value < 10 ? group % 10 === 0 && group % 100 !== 10 : group % 100 === 0;
}

const MAX_NUMBER_WORDS = 10;

/** The longest number in words that a sentence begins with, with its sign: "minus three hundred and fifty dollars". */
export function readNumberWords(sentence: string): string | null {
  const said = /^[a-z]+(?:[\s-][a-z]+)*/i.exec(sentence)?.[0].split(/\s/) ?? [];
  const negative = /^(?:negative|minus)$/i.test(said[0] ?? "");
  const words = said.slice(negative ? 1 : 0, MAX_NUMBER_WORDS);
  for (let size = words.length; size > 0; size--) {
    const value = parseNumberWords(words.slice(0, size).join(" "));
    if (value !== null) return String(negative ? -value : value);
  }
  return null;
}
