// Numbers in words: integers, fractions, decimals and scales, with a sign. It does not find them in running text.

import {
  add,
  divide,
  multiply,
  negate,
  parseDecimal,
  type Rational,
  rational,
  toDecimal,
} from "./rational.ts";

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

/** What the fractions' denominators are called, in the singular. */
const DENOMINATORS = new Map([
  ["half", 2],
  ["quarter", 4],
  ...["third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"].map(
    (word, at) => [word, at + 3] as const,
  ),
  ["fifteenth", 15],
  ["sixteenth", 16],
  ["twentieth", 20],
  ["hundredth", 100],
  ["thousandth", 1_000],
  ["millionth", 1_000_000],
]);

const MAX_NUMBER_WORDS = 14;

/**
 * The value of "twelve", "forty-two", "a hundred", "three hundred and five", "two fifths", "five and a half", "6 and a
 * half", "four point two", "half a million" or "minus eight"; null when a word belongs to no number, or the words do
 * not make one number, as in "five six".
 */
export function parseNumberWords(text: string): Rational | null {
  // Longer texts are no number, and are not split.
  if (text.length > 200) return null;
  const words = text
    .toLowerCase()
    .split(/[\s-]+/)
    .filter((word) => word !== "");
  if (words.length === 0 || words.length > MAX_NUMBER_WORDS) return null;
  if (!/^(?:negative|minus)$/.test(words[0] ?? "")) return parseSize(words);
  const size = parseSize(words.slice(1));
  return size === null ? null : negate(size);
}

function parseSize(words: readonly string[]): Rational | null {
  const integer = parseInteger(words);
  if (integer !== null) return rational(BigInt(integer));
  const point = words.indexOf("point");
  const size = parseFraction(words) ?? (point < 0 ? null : parsePoint(words, point));
  const scale = size === null ? scaleOf(words.at(-1) ?? "") : null;
  if (scale === null) return size;
  // "half a million", "a quarter of a million", "one and a half thousand"
  const [, front = ""] = /^(.+?)(?: of)?(?: an?)?$/.exec(words.slice(0, -1).join(" ")) ?? [];
  const factor = front === "" ? null : parseSize(front.split(" "));
  return factor === null || factor.denominator === 1n ? null : multiply(factor, scale);
}

/** "two fifths", "a quarter", "half", "five and a half". The singular counts one: "two fifth" is an ordinal. */
function parseFraction(words: readonly string[]): Rational | null {
  const and = words.lastIndexOf("and");
  if (and > 0) {
    const part = parseFraction(words.slice(and + 1));
    const front = words.slice(0, and);
    const numeral = front.length === 1 && /^\d/.test(front[0] ?? "");
    // "5 and half of them" is no number.
    if (part === null || part.numerator >= part.denominator || (numeral && and + 2 === words.length))
      return null;
    const integer = parseInteger(front);
    const whole = numeral ? parseDecimal((front[0] ?? "").replaceAll(",", "")) : integer;
    if (whole === null) return null;
    return add(typeof whole === "number" ? rational(BigInt(whole)) : whole, part);
  }
  const last = words.at(-1) ?? "";
  if (words.length === 1) return last === "half" ? rational(1n, 2n) : null;
  const above = words.length === 2 && /^an?$/.test(words[0] ?? "") ? 1 : parseInteger(words.slice(0, -1));
  const isPlural = /(?:s|halves)$/.test(last);
  const below = DENOMINATORS.get(last.replace(/^halves$/, "half").replace(/s$/, ""));
  if (above === null || below === undefined || isPlural === (above === 1)) return null;
  return divide(rational(BigInt(above)), rational(BigInt(below)));
}

/** "four point two", "point five", "four point twenty-five". */
function parsePoint(words: readonly string[], point: number): Rational | null {
  const whole = point === 0 ? 0 : parseInteger(words.slice(0, point));
  const places = words.slice(point + 1);
  const each = places.map((word) => (word === "oh" ? 0 : (UNITS.get(word) ?? 10)));
  const isDigits = each.every((digit) => digit < 10);
  const digits = isDigits ? each.join("") : String(parseInteger(places) ?? "");
  if (whole === null || digits === "" || (!isDigits && digits.length !== 2)) return null;
  return parseDecimal(`${whole}.${digits}`);
}

function parseInteger(said: readonly string[]): number | null {
  const words = [...said];
  if (words.length === 0) return null;
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

/**
 * The longest number in words that a sentence begins with, with its sign: "minus three hundred and fifty dollars". An
 * integer or a decimal is written so, and a fraction below one or without a finite decimal as 2/5.
 */
export function readNumberWords(sentence: string): string | null {
  const said =
    /^(?:[-−]?\d[\d,]{0,20}(?:\.\d{1,20})?|[a-z]+)(?:[\s-][a-z]+){0,14}/i.exec(sentence)?.[0] ?? "";
  const isNegative = /^[-−]/.test(said);
  const words = said.replace(/^[-−]/, "").split(/\s/).slice(0, MAX_NUMBER_WORDS);
  for (let size = words.length; size > 0; size--) {
    const value = parseNumberWords(words.slice(0, size).join(" "));
    // "Half the number is 5"
    if (value !== null && size === 1 && words.length > 1 && value.denominator !== 1n) return null;
    if (value !== null) return displayOf(isNegative ? negate(value) : value, words.includes("point"));
  }
  return null;
}

function displayOf(value: Rational, asDecimal: boolean): string {
  const size = value.numerator < 0n ? -value.numerator : value.numerator;
  const decimal = asDecimal || size > value.denominator ? toDecimal(value) : null;
  if (value.denominator === 1n) return String(value.numerator);
  return decimal ?? `${value.numerator}/${value.denominator}`;
}
