// Reads the number that a text comes to where nothing announces it. It knows sentences and computations, and no LaTeX.

import { NO_ABBREVIATION } from "./markers.ts";
import { type NumberToken, scanNumbers } from "./numbers/scan.ts";

const MAX_SENTENCE_LENGTH = 1000;
const RESULTS_REMEMBERED = 3;

/**
 * The number that the last sentence with numbers comes to: its last one if that is what something "is", else the one
 * that the latest computations before it arrived at ("3 * 8 = 24. So she pays $24 for 8 glasses."), else its last one.
 */
export function readConclusion(text: string): NumberToken | null {
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
  for (const result of results.slice(-RESULTS_REMEMBERED).reverse()) {
    const restated = sentence.find((token) => token.display === result && !isOperand(text, token));
    if (restated !== undefined) return restated;
  }
  return beforePurpose(text, sentence) ?? last;
}

/** "= 0.25 or 25 cents", "= 0.6 or 60%": the same again. Null where nothing of the kind follows; a fraction is exact. */
function inOtherWords(
  text: string,
  sentence: readonly NumberToken[],
  token: NumberToken,
): NumberToken | null {
  const next = token.display.includes("/") ? undefined : sentence[sentence.indexOf(token) + 1];
  return next !== undefined && /^,?\sor\s[$£€]?$/.test(text.slice(token.end, next.start)) ? next : null;
}

/** Whether a number is what something "is", and not only what it is supposed to be. */
function isNamed(text: string, { start }: NumberToken): boolean {
  const before = text.slice(Math.max(0, start - 60), start);
  return (
    /(?:\b(?:is|are|was|were|be|equals?|equal to|approximately|about|(?:for|making|or) a total of)|=)[\s*]*$/.test(
      before,
    ) && !/\b(?:if|when)\s(?:[a-z]+\s){1,3}(?:is|are)\s$/.test(before)
  );
}

/**
 * The numbers of a sentence but those that only tell what the ones before them come of: "7, because 3 of them …",
 * "60 shells (5 years x 12 months)".
 */
function withoutAsides(text: string, sentence: readonly NumberToken[]): NumberToken[] {
  const [first] = sentence;
  if (first === undefined) return [];
  const reason = /\s(?:because|since)\s[^=,]{0,300}$/.exec(text.slice(first.end, sentence.at(-1)?.start));
  const end = reason === null ? Number.POSITIVE_INFINITY : first.end + reason.index;
  const main = sentence.filter((token) => token.start < end && !isWorking(text, token));
  return main.length > 0 ? main : [...sentence];
}

const MAX_WORKING_LENGTH = 100;

/** Whether a number stands in parentheses, as part of a computation without its result. */
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
  return close >= 0 && /\d.{0,40}\s?[x×*/÷+]\s?.{0,40}\d/.test(inside) && !inside.includes("=");
}

/** "It takes 9 minutes to blink 459 times": what something is for was given. Null where no number stands before it. */
function beforePurpose(text: string, sentence: readonly NumberToken[]): NumberToken | null {
  const [before, after] = sentence.slice(-2);
  if (before === undefined || after === undefined) return null;
  const between = text.slice(before.end, after.start);
  return PURPOSE.test(between) ? before : null;
}

const PURPOSE =
  /^[^,.;:]{0,60}?\s(?:to\s(?!(?:be|get|have|make|reach)\b)[a-z]{3,}\s|so that\s[^,.;:]{0,20})[^,.;:]{0,40}$/;

/** Whether an operator or "=" follows a number, or an operator stands before it. */
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

const SENTENCE_END = new RegExp(String.raw`\n|${NO_ABBREVIATION}[.!?]["'”’)\]]*\s+[A-Z("“$]`);

function endsSentence(text: string, from: number, to: number): boolean {
  return SENTENCE_END.test(text.slice(from, Math.min(to, from + MAX_SENTENCE_LENGTH) + 1));
}

/** Whether a number stands right behind a "=" that is no mere naming, as in x = 5. */
function isComputed(text: string, token: NumberToken): boolean {
  const before = text.slice(Math.max(0, token.start - 24), token.start).replace(/[\s*$£€]+$/, "");
  return before.endsWith("=") && !/(?:^|[^a-z\\])[a-z]\s*=$/i.test(before);
}
