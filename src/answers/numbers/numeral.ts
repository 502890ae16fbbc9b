// How one number is written, in running text and in LaTeX alike: digits with thousands separators, a decimal part and
// an exponent. It knows neither signs nor fractions.

import { multiply, parseDecimal, powerOfTen, type Rational } from "./rational.ts";

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
