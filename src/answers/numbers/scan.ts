// Finds the numbers in running text, with sign, currency, fraction, mixed number, power of ten and scale, and clock
// times. One pass with a bounded look ahead at each number. It does not know which one is an answer.

import { parseNumberWords, SCALE_WORDS, scaleOf } from "./number-words.ts";
import { matchAt, parseExponent, readNumeral, THOUSANDS_SEPARATOR } from "./numeral.ts";
import type { Rational } from "./rational.ts";
import { divide, mixedNumber, multiply, negate, parseDecimal, powerOfTen, toDecimal } from "./rational.ts";

export interface NumberToken {
  /** The range in the text, sign and currency included. */
  readonly start: number;
  readonly end: number;
  /** The number as written, without currency, thousands separators and trailing zeros. */
  readonly display: string;
  /** Null for clock times, ratios and numbers too long to compute with. */
  readonly value: Rational | null;
}

const MINUS = "-−–‒";
const CURRENCY = "$£€¥₹";
const START = /\d+|(?<!\d)\.(?=\d)/g;
const CLOCK = /(:\d+(?::\d+)?)(?:[ ]?([ap])\.?m\b\.?)?/iy;
/** The /4 of 3/4; none where a further slash makes it a date or a chain, or the denominator is no plain integer. */
const DENOMINATOR = new RegExp(String.raw`\/(\d+)(?![\d/]|\.\d|${THOUSANDS_SEPARATOR}\d{3})`, "y");
/** The fraction of a mixed number. */
const FRACTION = new RegExp(String.raw` (\d+)${DENOMINATOR.source}`, "y");
const POWER_OF_TEN = /\s?(?:[x×*·]|\\times|\\cdot)\s?10\s?\^\s?[{(]?\s?([-−+]?\d{1,3})\s?[})]?/iy;
/** An exponent behind digits. */
const POWER = /\^(?:\{([^{}\\]{1,12})\}|\(?([-−+]?\d{1,3})\)?)/y;
/** The fraction in words of "6 and a half". */
const SAID_FRACTION = /[ -]and[ -]((?:an?|one|two|three|four|five|six|seven|eight|nine)[ -][a-z]{4,10})\b/iy;
const SCALE_WORD = new RegExp(String.raw`[ \u00a0-](${SCALE_WORDS})\b`, "iy");

/** All numbers of `text` in order. Digits that are part of a name (`x2`, `A1`, `a_1`) or
 * an exponent in braces are left out. */
export function* scanNumbers(text: string): Generator<NumberToken> {
  let at = 0;
  for (;;) {
    START.lastIndex = at;
    const match = START.exec(text);
    if (match === null) return;
    at = match.index + match[0].length;
    const token = isPartOfName(text, match.index) ? null : readNumber(text, match.index);
    if (token === null) continue;
    yield token;
    at = token.end;
  }
}

/** A single letter, an underscore or "#" right before the digits. An "x" between digits is a multiplication sign. */
function isPartOfName(text: string, at: number): boolean {
  const before = text[at - 1] ?? "";
  if (/_$|_\{$|\^[{(]$/.test(text.slice(Math.max(0, at - 3), at))) return true;
  // 12 m^2
  if (before === "^" && /\d\s?(?:[cdkm]?m|in|ft)\^$/.test(text.slice(Math.max(0, at - 6), at))) return true;
  if (before === "#" && text[at - 2] !== "#") return true;
  if (!/[a-z]/i.test(before) || /[a-z]/i.test(text[at - 2] ?? "")) return false;
  return !(before.toLowerCase() === "x" && /\d/.test(text[at - 2] ?? ""));
}

function readNumber(text: string, at: number): NumberToken | null {
  const numeral = readNumeral(text, at);
  if (numeral === null) return null;
  const { digits, end } = numeral;
  const clock = matchAt(CLOCK, text, end);
  if (clock !== null && !digits.includes(".") && numeral.exponent === 0) {
    const half = clock[2] === undefined ? "" : ` ${clock[2].toLowerCase()}m`;
    return { start: at, end: end + clock[0].length, display: digits + clock[1] + half, value: null };
  }
  const start = startOfSign(text, at);
  const size =
    numeral.value === null ? null : (readPower(text, numeral) ?? readSize(text, end, numeral.value, digits));
  const { display, value } = size ?? { display: digits, value: null };
  const negative = MINUS.includes(text[start] ?? " ");
  const sign = negative && !/^0(?:\.0*)?$/.test(display) ? "-" : "";
  return {
    start,
    end: size?.end ?? end,
    display: sign + display,
    value: value !== null && negative ? negate(value) : value,
  };
}

interface Size {
  readonly end: number;
  readonly display: string;
  readonly value: Rational | null;
}

/** 10^4 by value, and 2^{5} as it is written; null when the digits have no exponent. */
function readPower(text: string, { digits, end: at }: { digits: string; end: number }): Size | null {
  const match = matchAt(POWER, text, at);
  if (match === null) return null;
  const end = at + match[0].length;
  if (digits !== "10" && match[1] === undefined) return null;
  const exponent = /^[-−+]?\d{1,3}$/.exec(match[1] ?? match[2] ?? "");
  const value = digits === "10" && exponent !== null ? powerOfTen(parseExponent(exponent[0])) : null;
  return { end, display: digits + match[0], value };
}

/** A numeral together with the denominator, fraction or power of ten that follows it. */
function readSize(text: string, end: number, value: Rational, digits: string): Size {
  const display = toDecimal(value) ?? digits;
  const denominator = digits.includes(".") ? null : matchAt(DENOMINATOR, text, end);
  const below = parseDecimal(denominator?.[1] ?? "");
  const quotient = below === null ? null : divide(value, below);
  if (denominator !== null && quotient !== null)
    return { end: end + denominator[0].length, display: display + denominator[0], value: quotient };
  const mixed = readMixed(text, end, value);
  if (mixed !== null) return { ...mixed, display: display + text.slice(end, mixed.end) };
  const said = matchAt(SAID_FRACTION, text, end);
  const part = said === null ? null : parseNumberWords(said[1] ?? "");
  const sum = part === null ? null : mixedNumber(value, part);
  if (said !== null && sum !== null) {
    const { numerator, denominator } = sum;
    return {
      end: end + said[0].length,
      display: toDecimal(sum) ?? `${numerator}/${denominator}`,
      value: sum,
    };
  }
  const scale = readScale(text, end);
  if (scale === null) return { end, display, value };
  const scaled = multiply(value, scale.value);
  return { end: scale.end, display: toDecimal(scaled) ?? display, value: scaled };
}

/** The 1/2 of 2 1/2, added to the whole number. */
function readMixed(text: string, at: number, whole: Rational): { end: number; value: Rational } | null {
  const match = matchAt(FRACTION, text, at);
  const [above, below] = [parseDecimal(match?.[1] ?? ""), parseDecimal(match?.[2] ?? "")];
  const fraction = above === null || below === null ? null : divide(above, below);
  const value = fraction === null ? null : mixedNumber(whole, fraction);
  return match === null || value === null ? null : { end: at + match[0].length, value };
}

/** The x 10^3 or the million behind a number. */
function readScale(text: string, at: number): { end: number; value: Rational } | null {
  const power = matchAt(POWER_OF_TEN, text, at);
  const match = power ?? matchAt(SCALE_WORD, text, at);
  if (match === null) return null;
  const written = match[1] ?? "";
  const value = power === null ? scaleOf(written) : powerOfTen(parseExponent(written));
  return value === null ? null : { end: at + match[0].length, value };
}

/** Where a number's sign and currency begin. A minus behind a digit, a letter or a bracket subtracts or is a dash. */
function startOfSign(text: string, at: number): number {
  let start = at;
  if (CURRENCY.includes(text[start - 1] ?? " ")) start -= text[start - 2] === "\\" ? 2 : 1;
  const signed = MINUS.includes(text[start - 1] ?? " ") && !isOperand(text, start - 1);
  return signed ? start - 1 : start;
}

/** Whether something that can be subtracted from stands before `at`, at most one space away. */
function isOperand(text: string, at: number): boolean {
  const before = text[at - 1] ?? "";
  const further = before === " " ? (text[at - 2] ?? "") : before;
  return /[\d)\]}%]/.test(further) || /[a-z]/i.test(before);
}
