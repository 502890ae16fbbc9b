// The canonical form of a mathematical answer, so that equal answers are equal strings: the rules that MATH is scored
// by (Hendrycks et al. 2021, arXiv 2103.03874), and numbers by value. It does no algebra: x + 1 is not 1 + x.

import { parseNumberWords, readNumberWords } from "../numbers/number-words.ts";
import { joinSpacedThousands } from "../numbers/numeral.ts";
import { toLatex } from "../numbers/rational.ts";
import { plainNumbers } from "../numbers/unicode.ts";
import { endWithout, spacesAnd } from "../trim.ts";
import { fraction, numberPiece, numericValue, type Piece, reduce, render, symbol } from "./pieces.ts";
import { type LatexToken, MAX_LATEX_LENGTH, tokenizeLatex } from "./tokens.ts";

const MAX_DEPTH = 60;
/** Longer answers are not read at all, but compared as they are written. */
const MAX_RAW_LENGTH = 4 * MAX_LATEX_LENGTH;
const CLOSING: Record<string, readonly string[]> = { "(": [")", "]"], "[": ["]", ")"], "\\{": ["\\}"] };
/** Relations whose right side can be the answer: x = 5, x \in (1, 2). */
const RELATIONS = new Set(["=", "\\in", "\\approx", "\\equiv"]);
const HEDGES = new Set([
  "about",
  "approximately",
  "exactly",
  "roughly",
  "only",
  "around",
  "nearly",
  "almost",
]);

/**
 * The canonical form of an answer; "" when nothing is left of it. It is the same for \frac12, \frac{1}{2}, \dfrac12,
 * 1/2, 0.5 and .5; for \sqrt3 and \sqrt{3}; for 2\frac12 and 2.5; for 1,000 and 1000.0; for 5, $5, 5\%, 5^\circ,
 * 5\text{ cm}, 5 apples and x = 5; for \left( \right) and ( ). Tuples, sets and lists keep their order.
 */
export function canonicalLatex(raw: string): string {
  if (raw.length > MAX_RAW_LENGTH) return raw.trim();
  const inner = withoutDelimiters(plainNumbers(raw).trim()).trim();
  const text = joinSpacedThousands(inner)
    // 2:00 pm is 2 pm.
    .replace(/^(\d{1,2}):00(?=\s?[ap]\.?m\b)/i, "$1")
    // Some answers of MATH stand behind their choice: \text{(C) } 4.2.
    .replace(/^\\text(?:bf)?\s?\{\s?\([A-F]\)\s?\}(?:\\\s)?(?=\s*[^\s.])/, "");
  if (text.length > MAX_LATEX_LENGTH) return text.replace(/\s+/g, "");
  const words = parseNumberWords(SAID.exec(text)?.[1] ?? text);
  if (words !== null) return toLatex(words);
  const said = SAID_PART.test(text) ? readNumberWords(text) : null;
  if (said !== null) return canonicalLatex(said);
  const elements = new Reader(tokenizeLatex(withoutStops(text))).list(new Set(), 0);
  const canonical = elements.filter((element) => element !== "").join(", ");
  // (5), [5], (\text{B}): brackets around a single element mean nothing.
  return /^(?:\(|\[{1,2})([^()[\],]+)(?:\)|\]{1,2})$/.exec(canonical)?.[1] ?? canonical;
}

const DOLLARS: ReadonlySet<string> = new Set("$");

/** Drops \( and \), \[ and \], or dollars around an answer. */
function withoutDelimiters(answer: string): string {
  const start = /^(?:\\[([]|\$+)/.exec(answer)?.[0].length ?? 0;
  const isClosed = answer.length - 2 >= start && /^\\[)\]]$/.test(answer.slice(-2));
  return answer.slice(
    start,
    isClosed ? answer.length - 2 : endWithout(answer, DOLLARS, answer.length, start),
  );
}

const STOPS = spacesAnd(".,;:!?");

/** Drops punctuation at the end, also before a closing brace. */
function withoutStops(answer: string): string {
  const brace = answer.endsWith("}") ? "}" : "";
  return answer.slice(0, endWithout(answer, STOPS, answer.length - brace.length)) + brace;
}

/** A number in words with a fraction or decimals and what it counts: five and a half miles. */
const SAID_PART =
  /^(?=[a-z\d, -]{1,120}$)(?:\d+|[a-z]+(?:[ -][a-z]+){0,4})[ -](?:and (?:a|one|two|three|four|five|six|seven|eight|nine)[ -](?:half|thirds?|quarters?|[a-z]{1,5}ths?)|point (?:zero|oh|one|two|three|four|five|six|seven|eight|nine))\b/i;

/** A number in words, perhaps within \text{…} and before a full stop. */
const SAID = /^(?:\\text\s?\{)?\s{0,4}([a-z\d][a-z\d\s,-]{0,199}?)\s{0,4}\}?[.!]?$/i;

/**
 * Whether two answers have the same canonical form, or one is the other's number without its unit: 2:00 pm and 2, 2600g
 * and 2600. Two empty answers are not equal.
 */
export function latexEquivalent(a: string, b: string): boolean {
  const [one, other] = [canonicalLatex(a), canonicalLatex(b)];
  return one !== "" && (one === other || bareNumber(one) === other || one === bareNumber(other));
}

/** The number before am or pm, or before a unit such as g or m/s, which canonicalLatex reads as variables; else null. */
function bareNumber(canonical: string): string | null {
  return (
    /^(-?(?:\d+|\\frac\{\d+\}\{\d+\}))(?:[gmshlLJNVWK](?:\^\{[23]\})?(?:\/[a-zL](?:\^\{[23]\})?)?|[ap]m)$/.exec(
      canonical,
    )?.[1] ?? null
  );
}

/** Recursive descent over tokens, each read once. Below MAX_DEPTH brackets and commands are read as plain symbols. */
class Reader {
  readonly #tokens: LatexToken[];
  #at = 0;

  constructor(tokens: LatexToken[]) {
    this.#tokens = tokens;
  }

  /** The canonical elements, split at commas, "and" and "or", up to a closing token, which is not read, or the end. */
  list(closing: ReadonlySet<string>, depth: number): string[] {
    const elements: string[] = [];
    let pieces: Piece[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token === undefined || closing.has(token.text)) break;
      if (separates(token)) {
        this.#at += 1;
        elements.push(renderElement(pieces));
        pieces = [];
      } else pieces.push(...this.#pieces(depth));
    }
    elements.push(renderElement(pieces));
    return elements;
  }

  /** The next token with its arguments. Reads at least one token. */
  #pieces(depth: number): Piece[] {
    const token = this.#tokens[this.#at++];
    if (token === undefined) return [];
    if (token.kind === "number") return [numberPiece(token.text)];
    if (token.kind === "word") return [{ text: token.text, kind: "word" }];
    if (depth >= MAX_DEPTH) return [symbol(token.text)];
    switch (token.text) {
      case "\\frac": {
        const numerator = this.#argument(depth + 1);
        return fraction(numerator, this.#argument(depth + 1));
      }
      case "\\sqrt": {
        const degree = this.#peek() === "[" ? `[${render(this.#group("]", depth + 1))}]` : "";
        return [symbol(`\\sqrt${degree}{${render(this.#argument(depth + 1))}}`)];
      }
      case "^":
      case "_": {
        const script = token.text === "^" ? this.#exponent(depth + 1) : this.#script(depth + 1);
        if (script === "\\circ" || script === "") return [];
        return [{ text: `${token.text}{${script}}`, kind: "script" }];
      }
      case "\\begin":
      case "\\end": {
        const name = render(this.#argument(depth + 1)).replace(/^[bvB]matrix$|^array$/, "pmatrix");
        return [symbol(`${token.text}{${name}}`)];
      }
      case "{":
        this.#at -= 1;
        return this.#group("}", depth + 1);
    }
    const closing = token.kind === "symbol" ? CLOSING[token.text] : undefined;
    if (closing === undefined) return [symbol(token.text)];
    const inner = this.list(new Set(closing), depth + 1).join(",");
    return [symbol(`${token.text}${inner}${this.#tokens[this.#at++]?.text ?? ""}`)];
  }

  /** An exponent, also without braces: ^-3, ^(-3). */
  #exponent(depth: number): string {
    const next = this.#peek();
    if (next === "-" || next === "+") {
      this.#at += 1;
      return (next === "-" ? "-" : "") + this.#script(depth);
    }
    if (next === "(") return render(this.#group(")", depth));
    return this.#script(depth);
  }

  #script(depth: number): string {
    return render(this.#peekIsNumber() ? this.#pieces(depth) : this.#argument(depth));
  }

  /** The argument of a command such as \frac: a group in braces, else one digit, one symbol or one command. */
  #argument(depth: number): Piece[] {
    const token = this.#tokens[this.#at];
    if (token?.kind === "number" && token.text.length > 1) {
      this.#tokens[this.#at] = { kind: "number", text: token.text.slice(1) };
      return [numberPiece(token.text.slice(0, 1))];
    }
    return reduce(this.#pieces(depth));
  }

  /** The pieces between an opening token and its closing one, which are both read. */
  #group(close: string, depth: number): Piece[] {
    this.#at += 1;
    const pieces: Piece[] = [];
    while (this.#at < this.#tokens.length && this.#peek() !== close) pieces.push(...this.#pieces(depth));
    this.#at += 1;
    return reduce(pieces);
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at]?.text;
  }

  #peekIsNumber(): boolean {
    return this.#tokens[this.#at]?.kind === "number";
  }
}

function separates(token: LatexToken): boolean {
  return token.kind === "symbol"
    ? token.text === "," || token.text === ";"
    : token.kind === "word" && (token.text === "and" || token.text === "or");
}

/** One element of a list, without its left-hand side, words such as "about", and units. */
function renderElement(raw: readonly Piece[]): string {
  let pieces = afterRelation(reduce(raw));
  const hedges = pieces.findIndex((piece) => !(piece.kind === "word" && HEDGES.has(piece.text)));
  if (hedges > 0) pieces = pieces.slice(hedges);
  pieces = withoutUnits(pieces);
  const value = numericValue(pieces);
  return value === null ? render(pieces) : toLatex(value);
}

/** The last side of x = 5, f(x) = 5, 2 + 3 = 5 or A = \pi r^2 = 9\pi. An equation such as x + y = 5 stays whole. */
function afterRelation(pieces: Piece[]): Piece[] {
  const at = pieces.findLastIndex((piece) => RELATIONS.has(piece.text));
  if (at < 0 || at === pieces.length - 1) return pieces;
  const first = pieces.findIndex((piece) => RELATIONS.has(piece.text));
  const [left, right] = [pieces.slice(0, first), pieces.slice(at + 1)];
  const isChain = first < at && numericValue(withoutUnits(right)) !== null;
  const isArithmetic = left.every((piece) => piece.kind === "number" || !/[a-z]/i.test(piece.text));
  return isChain || isArithmetic || isApplication(left) || left.every(isName) ? right : pieces;
}

/** f(3), t(f(-2)). */
function isApplication([name, argument, ...rest]: readonly Piece[]): boolean {
  return rest.length === 0 && name !== undefined && isName(name) && argument?.text.startsWith("(") === true;
}

function isName(piece: Piece): boolean {
  if (piece.kind === "word") return true;
  if (piece.kind === "script") return piece.text.startsWith("_") || piece.text === "^{-1}";
  return piece.kind === "symbol" && /^(?:[a-z]|\([a-z,]+\)|\\[a-z]+|')$/i.test(piece.text);
}

/** The h of km/h. */
function isLetterOfAUnit(text: string, before: Piece | undefined): boolean {
  return before?.text === "/" && /^[a-z]$/i.test(text);
}

/** Drops units and what is counted, that is the words at the end with powers and slashes: 5 km/h, 5 cm^2, 5 cats. */
function withoutUnits(pieces: Piece[]): Piece[] {
  const first = pieces.findIndex((piece) => piece.kind === "word");
  if (first <= 0) return pieces;
  const onlyUnits = pieces
    .slice(first)
    .every(
      ({ kind, text }, at, units) =>
        kind === "word" ||
        kind === "script" ||
        text === "/" ||
        (at > 0 && isLetterOfAUnit(text, units[at - 1])),
    );
  // 18,000/year: the slash is part of the unit.
  return onlyUnits ? pieces.slice(0, pieces[first - 1]?.text === "/" ? first - 1 : first) : pieces;
}
