// Reads the number or formula that a text arrives at when nothing announces an answer: the last one, apart from checks,
// conditions and reasons. Announced answers are read in math.ts.

import { tidyExpression } from "./latex/expression.ts";
import { findMathSpans, type MathSpan } from "./latex/spans.ts";
import { type NumberToken, scanNumbers } from "./numbers/scan.ts";
import { NO_ABBREVIATION } from "./sentences.ts";

/** Without any marker: the last side of the last formula, or the number of the last sentence, whichever comes later. */
export function readMathFallback(text: string): string | null {
  return readUnmarked(withoutCheck(text));
}

/** Begins a check of the answer: "To check our answer". */
const CHECK =
  /(?:^|[.!:\n])\s{0,4}(?:Alternatively, )?(?:we can |you can |let's |let us |one way to |to )(?:double[- ]?check|(?:check|verify|confirm)(?= (?:our|this|the|if|whether|that) [^.\n]{0,60}?(?:answer|solution|work|result|correct|makes sense)))/gi;
/** Says that the check succeeded. */
const CONFIRMED = /\b(?:correct|confirm\w*|match\w*|checks out|makes sense|satisf\w+|as expected)\b/i;
/** Begins a further step behind the check. */
const GOES_ON = /(?:^|[.!\n])\s{0,4}(?:Therefore|Thus|So|Hence|Now|Finally|In conclusion)\b[^.\n]{0,200}\d/;

/** The text before its last check, if the check succeeds and nothing follows it; else the whole text. */
function withoutCheck(text: string): string {
  const check = [...text.matchAll(CHECK)].at(-1);
  if (check === undefined || !/\d/.test(text.slice(0, check.index))) return text;
  const checked = text.slice(check.index + check[0].length);
  const confirmed = CONFIRMED.exec(checked);
  const holds = confirmed !== null && !GOES_ON.test(checked.slice(confirmed.index));
  return holds ? text.slice(0, check.index) : text;
}

function readUnmarked(whole: string): string | null {
  const text = withoutCondition(whole);
  const conclusion = readConclusion(text);
  const spans = findMathSpans(text);
  const at = spans.findLastIndex(({ content }) => /[\d\\]/.test(lastSide(content)));
  const span = spans[at];
  if (span === undefined || (conclusion !== null && conclusion.start >= span.end))
    return conclusion?.display ?? null;
  const list = readList(text, spans.slice(0, at + 1));
  return list ?? tidyExpression(lastSide(span.content)) ?? conclusion?.display ?? null;
}

/** The most formulas in a condition behind "which occurs when". */
const MAX_CONDITION_FORMULAS = 4;
const CONDITION =
  /,?\s(?:when|where|with equality|(?:which )?(?:is )?(?:attained|achieved|occurs))\b(?:(?!\s(?:is|are|equals)\b)[^.\n]){0,40}$/i;
const JOINED = /^\s*(?:,|,?\s?(?:and|or))\s*$/;

/** Drops a condition at the end: "The maximum is $4$, which occurs when $x=3$ and $y=2$." */
function withoutCondition(text: string): string {
  const spans = findMathSpans(text).slice(-MAX_CONDITION_FORMULAS - 1);
  if (/^[^.\n]*\d/.test(text.slice(spans.at(-1)?.end ?? text.length))) return text;
  for (let at = spans.length - 1; at > 0; at--) {
    const from = spans[at - 1]!.end;
    const between = text.slice(from, spans[at]!.start);
    const condition = CONDITION.exec(between);
    if (condition === null && JOINED.test(between)) continue;
    const before = between.slice(0, condition?.index);
    if (condition === null || /[.\n]|\b(?:true|holds|valid|satisfied)$/.test(before)) return text;
    return text.slice(0, from + condition.index);
  }
  return text;
}

/** The formulas of a list, joined: "The solutions are $x=5$ and $x=1$." Null when the last formula is in no list. */
function readList(text: string, spans: readonly MathSpan[]): string | null {
  let first = spans.length - 1;
  while (first > 0 && JOINED.test(text.slice(spans[first - 1]!.end, spans[first]!.start))) first--;
  const list = spans.slice(first);
  if (list.length < 2 || !/\b(?:are|is either)\s*$/.test(text.slice(0, list[0]!.start).slice(-20)))
    return null;
  return tidyExpression(list.map(({ content }) => content).join(", "));
}

function lastSide(equation: string): string {
  return equation.slice(equation.lastIndexOf("=") + 1);
}

const MAX_SENTENCE_LENGTH = 1000;
const RECENT_RESULTS = 3;

/**
 * The number that the last sentence with numbers states. In this order: its last number, if something "is" that; the
 * result of its own computation; a result of the last computations that it repeats ("3 * 8 = 24. So she pays $24 for
 * 8 glasses."); its last number, unless that only says what the number before it is for.
 */
function readConclusion(text: string): NumberToken | null {
  const results: string[] = [];
  let sentence: NumberToken[] = [];
  let previous: NumberToken | null = null;
  for (const token of scanNumbers(text)) {
    if (previous !== null && endsSentence(text, previous.end, token.start)) sentence = [];
    if (previous === null || token.start - previous.end < MAX_SENTENCE_LENGTH) sentence.push(token);
    else sentence = [token];
    previous = token;
    if (isComputed(text, token)) results.push(token.display);
  }
  sentence = withoutAsides(text, sentence);
  const last = sentence.at(-1) ?? null;
  if (last === null || isNamed(text, last)) return last;
  const computed = sentence.findLast((token) => isComputed(text, token));
  if (computed !== undefined) return inOtherWords(text, sentence, computed) ?? computed;
  for (const result of results.slice(-RECENT_RESULTS).reverse()) {
    const restated = sentence.find((token) => token.display === result && !isOperand(text, token));
    if (restated !== undefined) return restated;
  }
  return beforePurpose(text, sentence) ?? last;
}

/** A result in another unit: the 25 of "= 0.25 or 25 cents". Null when there is none, or the result is a fraction. */
function inOtherWords(
  text: string,
  sentence: readonly NumberToken[],
  token: NumberToken,
): NumberToken | null {
  const next = token.display.includes("/") ? undefined : sentence[sentence.indexOf(token) + 1];
  return next !== undefined && /^,?\sor\s[$£€]?$/.test(text.slice(token.end, next.start)) ? next : null;
}

/** Whether the text says that something "is" this number, and not "if it is". */
function isNamed(text: string, { start }: NumberToken): boolean {
  const before = text.slice(Math.max(0, start - 60), start);
  return (
    /(?:\b(?:is|are|was|were|be|equals?|equal to|approximately|about|(?:for|making|or) a total of)|=)[\s*]*$/.test(
      before,
    ) && !/\b(?:if|when)\s(?:[a-z]+\s){1,3}(?:is|are)\s$/.test(before)
  );
}

/** A sentence's numbers without those of a reason ("7, because 3 of them …") or of working ("60 (5 years x 12)"). */
function withoutAsides(text: string, sentence: readonly NumberToken[]): NumberToken[] {
  const [first] = sentence;
  if (first === undefined) return [];
  const reason = /\s(?:because|since)\s[^=,]{0,300}$/.exec(text.slice(first.end, sentence.at(-1)?.start));
  const end = reason === null ? Number.POSITIVE_INFINITY : first.end + reason.index;
  const main = sentence.filter((token) => token.start < end && !isWorking(text, token));
  return main.length > 0 ? main : [...sentence];
}

const MAX_WORKING_LENGTH = 100;

/** Whether a number is part of a computation in parentheses that does not show its result. */
function isWorking(text: string, { start, end }: NumberToken): boolean {
  const before = text.slice(Math.max(0, start - MAX_WORKING_LENGTH), start);
  const open = before.lastIndexOf("(");
  const lead = before.slice(0, open);
  const isAside =
    /(?:[a-z%]|[a-z:]\s[$£€]?[\d.,]{1,15})\s$/i.test(lead) && !/\b(?:is|are|was|were|be)\s$/.test(lead);
  if (open < 1 || before.lastIndexOf(")") > open || !isAside) return false;
  const after = text.slice(end, end + MAX_WORKING_LENGTH);
  const close = after.indexOf(")");
  const inside = before.slice(open + 1) + text.slice(start, end) + after.slice(0, close);
  return close >= 0 && !inside.includes("=") && computes(inside);
}

const MAX_OPERAND_DISTANCE = 40;

/** Whether an operator stands between two digits that are near it, on its line. */
function computes(text: string): boolean {
  for (const { index: at } of text.matchAll(/[x×*/÷+]/g))
    if (hasDigitNear(text, at, -1) && hasDigitNear(text, at, 1)) return true;
  return false;
}

function hasDigitNear(text: string, operator: number, step: 1 | -1): boolean {
  // White space right beside the operator may be a line's end.
  let at = operator + step;
  let last = at + step * MAX_OPERAND_DISTANCE;
  if (/\s/.test(text[at] ?? "")) {
    at += step;
    last += step;
  }
  for (; at !== last + step; at += step) {
    const character = text[at];
    if (character === undefined || character === "\n" || character === "\r") return false;
    if (/\d/.test(character)) return true;
  }
  return false;
}

/** The 9 of "It takes 9 minutes to blink 459 times", whose last number is part of a purpose; else null. */
function beforePurpose(text: string, sentence: readonly NumberToken[]): NumberToken | null {
  const [before, after] = sentence.slice(-2);
  if (before === undefined || after === undefined) return null;
  const between = text.slice(before.end, after.start);
  return PURPOSE.test(between) ? before : null;
}

const PURPOSE =
  /^[^,.;:]{0,60}?\s(?:to\s(?!(?:be|get|have|make|reach)\b)[a-z]{3,}\s|so that\s[^,.;:]{0,20})[^,.;:]{0,40}$/;

/** Whether a number has an operator before it, or an operator or "=" behind it. */
function isOperand(text: string, { start, end }: NumberToken): boolean {
  const before = text
    .slice(Math.max(0, start - 6), start)
    .replace(/\*\*$/, "")
    .trimEnd();
  const after = text
    .slice(end, end + 6)
    .replace(/^\*\*/, "")
    .trimStart();
  return /[\d)\s][-−+*/x×÷]$/.test(before) || /^(?:[+*/×÷=]|[-−x]\s)/.test(after);
}

const SENTENCE_END = new RegExp(String.raw`\n|(?=[.!?])${NO_ABBREVIATION}[.!?]["'”’)\]]*\s+[A-Z("“$]`);

function endsSentence(text: string, from: number, to: number): boolean {
  return SENTENCE_END.test(text.slice(from, Math.min(to, from + MAX_SENTENCE_LENGTH) + 1));
}

/** Whether a number is the result of a computation: it follows a "=", but not that of x = 5. */
function isComputed(text: string, token: NumberToken): boolean {
  const before = text.slice(Math.max(0, token.start - 24), token.start).replace(/[\s*$£€]+$/, "");
  return before.endsWith("=") && !/(?:^|[^a-z\\])[a-z]\s*=$/i.test(before);
}
