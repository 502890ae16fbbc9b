// Finds the numbers that stand in running text: signs, currencies, thousands, decimals, fractions, mixed numbers,
// powers of ten in digits and words, clock times. One pass, a bounded look ahead at each number. It does not
// know which one is an answer.

import {
  add,
  divide,
  multiply,
  negate,
  parseDecimal,
  type Rational,
  rational,
  scaleOf,
  toDecimal,
} from "./rational.ts";

export interface NumberToken {
  /** The range in the text, sign and currency included. */
  readonly start: number;
  readonly end: number;
  /** The number as written, without currency, thousands separators and trailing zeros. */
  readonly display: string;
  /** Null for clock times, ratios and literals too long for arithmetic. */
  readonly value: Rational | null;
}

const MINUS = "-−–‒";
const CURRENCY = "$£€¥₹";
const TIME_SUFFIX = /[ ]?([ap])\.?m\b\.?/iy;
const POWER_OF_TEN = /\s?(?:[x×*·]|\\times|\\cdot)\s?10\s?\^\s?\{?\s?([-−+]?\d{1,3})\s?\}?/iy;
const SCALE_WORD = /[ \u00a0-](hundred|thousand|million|billion|trillion)\b/iy;
const EXPONENT = /e([-−+]?\d{1,3})(?![\da-z])/iy;

/** All numbers of `text` in order. Digits that belong to a name (`x2`, `A1`, `a_1`) are none. */
export function* scanNumbers(text: string): Generator<NumberToken> {
  let at = 0;
  while (at < text.length) {
    if (!startsNumber(text, at)) {
      at += 1;
      continue;
    }
    const digitsEnd = endOfDigits(text, at);
    if (isPartOfName(text, at)) {
      at = Math.max(digitsEnd, at + 1);
      continue;
    }
    const token = readNumber(text, at);
    yield token;
    at = Math.max(token.end, at + 1);
  }
}

function startsNumber(text: string, at: number): boolean {
  if (isDigit(text, at)) return true;
  return text[at] === "." && isDigit(text, at + 1) && !isDigit(text, at - 1);
}

/** One letter, an underscore or "#" right before the digits. "x" between digits is a multiplication sign. */
function isPartOfName(text: string, at: number): boolean {
  const before = text[at - 1] ?? "";
  if (before === "_" || (before === "#" && text[at - 2] !== "#")) return true;
  if (!/[a-z]/i.test(before) || /[a-z]/i.test(text[at - 2] ?? "")) return false;
  return !(before.toLowerCase() === "x" && isDigit(text, at - 2));
}

function readNumber(text: string, at: number): NumberToken {
  const start = startOfSign(text, at);
  const negative = start < at && MINUS.includes(text[start] ?? "") ? true : hasInnerMinus(text, start, at);
  const plain = readPlain(text, at);

  const clock = readClock(text, plain.end);
  if (clock !== null && !plain.digits.includes(".")) {
    return { start: at, end: clock.end, display: plain.digits + clock.display, value: null };
  }
  let { end, value } = plain;
  let display = value === null ? plain.digits : (toDecimal(value) ?? plain.digits);

  const fraction = readDenominator(text, end);
  const mixed = fraction === null && value?.denominator === 1n ? readMixed(text, end) : null;
  if (fraction !== null && value !== null && !text.slice(at, end).includes(".")) {
    const quotient = divide(value, fraction.value);
    if (quotient !== null) {
      display = `${display}/${fraction.digits}`;
      value = quotient;
      end = fraction.end;
    }
  } else if (mixed !== null && value !== null) {
    display = `${display} ${mixed.display}`;
    value = add(value, mixed.value);
    end = mixed.end;
  } else if (value !== null) {
    const power = readPower(text, end);
    const scaled = power === null ? null : multiply(value, power.value);
    if (power !== null && scaled !== null) {
      value = scaled;
      display = toDecimal(scaled) ?? display;
      end = power.end;
    }
  }
  const sign = negative && !/^0(?:\.0*)?$/.test(display) ? "-" : "";
  return { start, end, display: sign + display, value: value !== null && negative ? negate(value) : value };
}

/** Digits with thousands separators and a decimal part; the trailing full stop of a sentence is not one. */
function readPlain(text: string, at: number): { end: number; digits: string; value: Rational | null } {
  let end = endOfDigits(text, at);
  let digits = text.slice(at, end);
  if (digits.length >= 1 && digits.length <= 3) {
    for (;;) {
      const separator = thousandsSeparator(text, end);
      const groupEnd = end + separator + 3;
      if (separator === 0 || isDigit(text, groupEnd)) break;
      digits += text.slice(end + separator, groupEnd);
      end = groupEnd;
    }
  }
  if (text[end] === "." && isDigit(text, end + 1)) {
    const fractionEnd = endOfDigits(text, end + 1);
    digits += text.slice(end, fractionEnd);
    end = fractionEnd;
  }
  return { end, digits, value: parseDecimal(digits) };
}

/** Characters of `,` `{,}` or `,\!` when exactly three digits follow; 0 otherwise. */
function thousandsSeparator(text: string, at: number): number {
  for (const separator of [",", "{,}", ",\\!", "\\,"]) {
    const after = at + separator.length;
    if (!text.startsWith(separator, at)) continue;
    if (isDigit(text, after) && isDigit(text, after + 1) && isDigit(text, after + 2)) return separator.length;
  }
  return 0;
}

function readClock(text: string, at: number): { end: number; display: string } | null {
  if (text[at] !== ":" || !isDigit(text, at + 1)) return null;
  let end = endOfDigits(text, at + 1);
  let display = text.slice(at, end);
  if (text[end] === ":" && isDigit(text, end + 1)) {
    const secondsEnd = endOfDigits(text, end + 1);
    display += text.slice(end, secondsEnd);
    end = secondsEnd;
  }
  TIME_SUFFIX.lastIndex = end;
  const suffix = TIME_SUFFIX.exec(text);
  if (suffix === null) return { end, display };
  return { end: end + suffix[0].length, display: `${display} ${(suffix[1] ?? "").toLowerCase()}m` };
}

/** "/4" right behind a numerator, unless a further slash makes it a date or a chain. */
function readDenominator(text: string, at: number): { end: number; digits: string; value: Rational } | null {
  if (text[at] !== "/" || !isDigit(text, at + 1)) return null;
  const end = endOfDigits(text, at + 1);
  if (text[end] === "/" || (text[end] === "." && isDigit(text, end + 1)) || thousandsSeparator(text, end) > 0)
    return null;
  const digits = text.slice(at + 1, end);
  const value = parseDecimal(digits);
  return value === null || value.numerator === 0n ? null : { end, digits, value };
}

/** " 1/2" behind a whole number: a proper fraction makes it a mixed number. */
function readMixed(text: string, at: number): { end: number; display: string; value: Rational } | null {
  if (text[at] !== " " || !isDigit(text, at + 1)) return null;
  const numeratorEnd = endOfDigits(text, at + 1);
  const numerator = parseDecimal(text.slice(at + 1, numeratorEnd));
  const denominator = readDenominator(text, numeratorEnd);
  if (numerator === null || denominator === null || numerator.numerator >= denominator.value.numerator)
    return null;
  const value = rational(numerator.numerator, denominator.value.numerator);
  return value === null
    ? null
    : { end: denominator.end, display: text.slice(at + 1, denominator.end), value };
}

function readPower(text: string, at: number): { end: number; value: Rational } | null {
  for (const pattern of [EXPONENT, POWER_OF_TEN]) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) continue;
    const value = parseDecimal("1", Number((match[1] ?? "").replace("−", "-")));
    if (value !== null) return { end: at + match[0].length, value };
  }
  SCALE_WORD.lastIndex = at;
  const scale = SCALE_WORD.exec(text);
  const value = scaleOf(scale?.[1] ?? "");
  return scale === null || value === null ? null : { end: at + scale[0].length, value };
}

/** Steps back over a currency and a sign. A minus after a digit, a letter or a bracket is a subtraction or a dash. */
function startOfSign(text: string, at: number): number {
  let start = at;
  if (CURRENCY.includes(text[start - 1] ?? " ")) start -= text[start - 2] === "\\" ? 2 : 1;
  if (start > 0 && MINUS.includes(text[start - 1] ?? "") && !isOperand(text, start - 1)) return start - 1;
  if (start === at && MINUS.includes(text[at - 1] ?? " ") && CURRENCY.includes(text[at - 2] ?? " "))
    return at - 2;
  return start;
}

function hasInnerMinus(text: string, start: number, at: number): boolean {
  for (let i = start; i < at; i++) if (MINUS.includes(text[i] ?? "")) return true;
  return false;
}

/** Whether something that can be subtracted from stands before `at`, at most one space away. */
function isOperand(text: string, at: number): boolean {
  const before = text[at - 1] ?? "";
  const further = before === " " ? (text[at - 2] ?? "") : before;
  return /[\d)\]}%]/.test(further) || /[a-z]/i.test(before);
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

function endOfDigits(text: string, at: number): number {
  let end = at;
  while (isDigit(text, end)) end += 1;
  return end;
}
