// Reads the answer of a mathematical question, a number or an expression, out of a text. It knows where answers stand;
// when two are equal is latex-equivalence's.

import type { AnswerMarker } from "./answer-markers.ts";
import { canonicalLatex } from "./latex-equivalence.ts";
import { firstNumber, lastNumber, scanNumbers } from "./number-scan.ts";
import { parseNumberWords } from "./rational.ts";

export interface MathSpan {
  readonly start: number;
  readonly end: number;
  readonly content: string;
}

/**
 * $…$, $$…$$, \(…\), \[…\] in order. A dollar opens one when something other than a space follows, and closes it when
 * none stands before and no digit behind (Pandoc's rule); prose between two dollars makes them currencies.
 */
export function findMathSpans(text: string): MathSpan[] {
  const spans: MathSpan[] = [];
  let at = 0;
  while (at < text.length) {
    const span = text[at] === "$" || text[at] === "\\" ? readSpan(text, at) : null;
    if (span !== null) spans.push(span);
    at = span?.end ?? at + (text[at] === "\\" ? 2 : 1);
  }
  return spans;
}

const MAX_SPAN_LENGTH = 600;

function readSpan(text: string, at: number): MathSpan | null {
  const opener = ["$$", "$", "\\(", "\\["].find((delimiter) => text.startsWith(delimiter, at));
  if (opener === undefined) return null;
  const closer = opener === "\\(" ? "\\)" : opener === "\\[" ? "\\]" : opener;
  const from = at + opener.length;
  const window = text.slice(from, from + MAX_SPAN_LENGTH);
  const close = window.indexOf(closer);
  if (close <= 0) return null;
  const content = window.slice(0, close);
  if (opener === "$") {
    const after = window[close + 1] ?? "";
    if (/^\s|\s$|\n/.test(content) || /\d/.test(after) || isProse(content)) return null;
  }
  return { start: at, end: from + close + closer.length, content: content.trim() };
}

function isProse(content: string): boolean {
  return /(?<![\\a-z])[a-z]{3,}/i.test(content.replace(/\\(?:text|mbox|mathrm|textbf)\{[^{}]*\}/g, ""));
}

/** Words that may stand in an expression without ending it. */
const CONTINUES = /^(?:and|or|sin|cos|tan|log|sqrt|infinity)$/i;

/** The expression at the beginning of a sentence: up to the first word of prose. "" when prose comes first. */
function leadingExpression(sentence: string): string {
  const words = /\\(?:text|mbox|mathrm|textbf)\{[^{}]*\}|\\[a-z]+|[a-z]+/gi;
  for (const word of sentence.matchAll(words)) {
    const [text] = word;
    if (text.startsWith("\\") || text.length === 1 || CONTINUES.test(text)) continue;
    return sentence.slice(0, word.index);
  }
  return sentence;
}

/** What a marker announces, as an answer; null when it has no mathematics. */
export function readMathMarker(marker: AnswerMarker): string | null {
  if (marker.kind === "boxed") return tidyExpression(marker.content);
  if (marker.kind === "hashes") {
    return /^[-−+$£€(.\d\\*]/.test(marker.content.trim()) ? readMathSentence(marker.content) : null;
  }
  const negated = /^(?:not|never)\s[^,;]{1,60}(?:,?\s?but|[,;]\s?(?:it is|rather))\s/i.exec(marker.content);
  if (negated !== null) return readMathSentence(marker.content.slice(negated[0].length));
  return /^(?:not|never|incorrect|wrong|unclear)\b/i.test(marker.content)
    ? null
    : readMathSentence(marker.content);
}

/** The answer that a sentence states: an expression it begins with, else what it computes, else its number. */
export function readMathSentence(raw: string): string | null {
  const sentence = raw.replaceAll("**", "").replace(/^[\s:=]+/, "");
  const spans = findMathSpans(sentence);
  const [span] = spans;
  if (span !== undefined && /^[\s"'(]*$/.test(sentence.slice(0, span.start)))
    return tidyExpression(span.content);
  const lead = leadingExpression(sentence).trim();
  if (lead !== "" && /[\d\\]|^[^a-z]*[a-z][^a-z]*$/i.test(lead)) return tidyExpression(trimOpen(lead));
  const words = /^[a-z]+(?:[\s-][a-z]+)*/i.exec(sentence)?.[0] ?? "";
  for (const size of [3, 2, 1]) {
    const value = parseNumberWords(words.split(/\s/).slice(0, size).join(" "));
    if (value !== null) return String(value);
  }
  const last = spans.at(-1);
  if (last !== undefined) return tidyExpression(last.content);
  const equation = sentence.lastIndexOf("=");
  if (equation >= 0) {
    const result = firstNumber(sentence.slice(equation));
    if (result !== null) return result.display;
  }
  return firstNumber(sentence)?.display ?? null;
}

/** Cuts connectives and an unclosed bracket off the end of an expression that prose ended. */
function trimOpen(expression: string): string {
  return expression.replace(/(?:\s(?:and|or|[a-z]))*[\s,;:({[\-–—]*$/i, "");
}

/** A plain number as a number; an expression without delimiters, layout and left-hand side. Null when empty. */
export function tidyExpression(raw: string): string | null {
  const stripped = raw
    .replaceAll("**", "")
    .trim()
    .replace(/^(?:\\[([]|\$+)\s*|\s*(?:\\[)\]]|\$+)[.\s]*$/g, "")
    .replace(/[\s.,;:!?]+$/, "");
  if (canonicalLatex(stripped) === "") return null;
  const plain = plainNumber(stripped);
  if (plain !== null) return plain;
  const side = /^[^=]*[^=<>\\!\s]\s*=\s*([^=]+)$/.exec(lastSide(stripped))?.[1]?.trim() ?? "";
  const answer = side !== "" && canonicalLatex(side) === canonicalLatex(stripped) ? side : stripped;
  return (
    plainNumber(answer) ?? answer.replace(/\\[dt]frac/g, "\\frac").replace(/\\(?:left|right|!)(?![a-z])/g, "")
  );
}

/** The last two sides of a chain of equations. */
function lastSide(expression: string): string {
  const last = expression.lastIndexOf("=");
  const before = last > 0 ? expression.lastIndexOf("=", last - 1) : -1;
  return expression.slice(before + 1);
}

/** The normalised number when the text is one and a unit at most. */
function plainNumber(text: string): string | null {
  if (/[\\^_={}()[\]]/.test(text.replace(/\\[$%]/g, ""))) return null;
  const [token, second] = scanNumbers(text);
  if (token === undefined || second !== undefined) return null;
  const around = text.slice(0, token.start) + text.slice(token.end);
  return /^[\s$%£€°"']*(?:\\%\s*)?(?:[a-z][a-z\s./]*)?[\s%]*$/i.test(around) &&
    canonicalLatex(text) === canonicalLatex(token.display)
    ? token.display
    : null;
}

/** Without any marker: the last formula's last side, or the last number, whichever stands later. */
export function readMathFallback(text: string): string | null {
  const number = lastNumber(text);
  const span = findMathSpans(text).findLast(({ content }) => /[\d\\=]/.test(content));
  if (span === undefined || (number !== null && number.start >= span.end)) return number?.display ?? null;
  const equation = span.content.lastIndexOf("=");
  const side = equation < 0 ? span.content : span.content.slice(equation + 1);
  return tidyExpression(side) ?? number?.display ?? null;
}
