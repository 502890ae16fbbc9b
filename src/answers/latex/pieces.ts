// The pieces of an expression in canonical form, and how they combine to numbers by value: fractions, mixed numbers,
// products with powers of ten. It does not parse.

import { scaleOf } from "../numbers/number-words.ts";
import { readNumeral } from "../numbers/numeral.ts";
import type { Rational } from "../numbers/rational.ts";
import {
  divide,
  isBounded,
  mixedNumber,
  multiply,
  negate,
  powerOfTen,
  toLatex,
} from "../numbers/rational.ts";

export interface Piece {
  readonly text: string;
  readonly kind: "number" | "word" | "symbol" | "script";
  /** Set for numbers that can be computed with; never negative. */
  readonly value?: Rational;
  /** How a number was written: a fraction behind a whole number makes a mixed number. */
  readonly form?: "whole" | "decimal" | "fraction";
}

const PRODUCT = new Set(["*", "\\cdot", "\\times"]);

export function symbol(text: string): Piece {
  return { text: PRODUCT.has(text) ? "*" : text, kind: "symbol" };
}

export function numberPiece(written: string): Piece {
  const value = readNumeral(written, 0)?.value ?? null;
  // A number too long to compute with keeps its digits.
  if (value === null) return { text: written.replace(/^0+(?=\d)/, ""), kind: "number" };
  return { text: toLatex(value), kind: "number", value, form: written.includes(".") ? "decimal" : "whole" };
}

function valuePieces(value: Rational): Piece[] {
  const size = value.numerator < 0n ? negate(value) : value;
  const piece: Piece = isBounded(size)
    ? { text: toLatex(size), kind: "number", value: size, form: "fraction" }
    : { text: toLatex(size), kind: "number", form: "fraction" };
  return size === value ? [piece] : [symbol("-"), piece];
}

export function fraction(numerator: Piece[], denominator: Piece[]): Piece[] {
  const [above, below] = [numericValue(numerator), numericValue(denominator)];
  const quotient = above === null || below === null ? null : divide(above, below);
  if (quotient !== null) return valuePieces(quotient);
  const negative = numerator.length > 1 && numerator[0]?.text === "-" && !numerator.slice(1).some(isSum);
  const top = render(negative ? numerator.slice(1) : numerator);
  const whole = symbol(`\\frac{${top}}{${render(denominator)}}`);
  return negative ? [symbol("-"), whole] : [whole];
}

function isSum(piece: Piece): boolean {
  return piece.text === "+" || piece.text === "-" || piece.text === "\\pm";
}

/** The value of a number with an optional sign; null for anything else. */
export function numericValue(pieces: readonly Piece[]): Rational | null {
  const sign = pieces.length === 2 ? pieces[0]?.text : "+";
  const value = pieces.length <= 2 ? pieces.at(-1)?.value : undefined;
  if (value === undefined || (sign !== "+" && sign !== "-")) return null;
  return sign === "-" ? negate(value) : value;
}

/** Joins pieces that make one number: 1/2, 2 1/2, 2\frac12, 1.5*10^3, 1.5 million. And a/b becomes \frac{a}{b}. */
export function reduce(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = [];
  for (let at = 0; at < pieces.length; at++) {
    const piece = pieces[at];
    if (piece === undefined) break;
    const last = out.at(-1);
    const next = pieces[at + 1];
    if (piece.text === "/" && last?.value !== undefined && next?.value !== undefined) {
      const quotient = divide(last.value, next.value);
      if (quotient !== null) {
        out.pop();
        pushNumber(out, valuePieces(quotient));
        at += 1;
        continue;
      }
    }
    const power =
      piece.text === "*" && next?.text === "10"
        ? /^\^\{(-?\d{1,2})\}$/.exec(pieces[at + 2]?.text ?? "")
        : null;
    const scale = power === null ? null : powerOfTen(Number(power[1]));
    const inWords = piece.kind === "word" ? scaleOf(piece.text) : null;
    const factor = scale ?? inWords;
    const scaled = factor === null || last?.value === undefined ? null : multiply(last.value, factor);
    if (scaled !== null) {
      out.pop();
      out.push(...valuePieces(scaled));
      at += inWords === null ? 2 : 0;
    } else pushNumber(out, [piece]);
  }
  // 10^4 alone, or behind a sign.
  const [ten, exponent] = out.slice(out[0]?.text === "-" ? 1 : 0);
  const power = /^\^\{(-?\d{1,2})\}$/.exec(exponent?.text ?? "");
  if (power !== null && ten?.text === "10" && exponent === out.at(-1)) {
    const value = powerOfTen(Number(power[1]));
    if (value !== null) out.splice(-2, 2, ...valuePieces(value));
  }
  const [a, slash, b] = out;
  if (out.length === 3 && slash?.text === "/" && a !== undefined && b !== undefined && b.kind !== "word")
    return fraction([a], [b]);
  return out;
}

/** Appends pieces; a proper fraction behind a whole number makes one mixed number with it. */
function pushNumber(out: Piece[], pieces: readonly Piece[]): void {
  const [piece] = pieces;
  const last = out.at(-1);
  const mixed =
    pieces.length === 1 && piece?.form === "fraction" && piece.value && last?.form === "whole" && last.value
      ? mixedNumber(last.value, piece.value)
      : null;
  if (mixed === null) out.push(...pieces);
  else out.splice(-1, 1, ...valuePieces(mixed));
}

/** Writes pieces as one string, with a space only where two would otherwise read as one. */
export function render(pieces: readonly Piece[]): string {
  let out = "";
  let before: Piece | undefined;
  for (const piece of pieces) {
    const runsTogether =
      (/\\[a-z]+$/i.test(before?.text ?? "") && /^[a-z]/i.test(piece.text)) ||
      (/\d$/.test(before?.text ?? "") && /^\d/.test(piece.text)) ||
      (before?.kind === "word" && piece.kind === "word");
    out += (runsTogether ? " " : "") + piece.text;
    before = piece;
  }
  return out;
}
