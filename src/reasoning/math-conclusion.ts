// Reads the number that a text comes to where nothing announces it. It knows sentences and computations, and no LaTeX.

import { type NumberToken, scanNumbers } from "./number-scan.ts";

const MAX_SENTENCE_LENGTH = 1000;
const RESULTS_REMEMBERED = 3;

/**
 * The number that the last sentence with numbers comes to: its last one if that is what something "is", else the one
 * that the latest computations before it arrived at ("3 * 8 = 24. So she pays $24 for 8 glasses."), else its last one.
 */
export function readConclusion(text: string): NumberToken | null {
  const results: string[] = [];
  let sentence: NumberToken[] = [];
  let last: NumberToken | null = null;
  for (const token of scanNumbers(text)) {
    if (last !== null && endsSentence(text, last.end, token.start)) sentence = [];
    if (last === null || token.start - last.end < MAX_SENTENCE_LENGTH) sentence.push(token);
    else sentence = [token];
    last = token;
    if (isComputed(text, token)) results.push(token.display);
  }
  if (
    last === null ||
    /(?:\b(?:is|are|was|were|be|equals?|equal to|approximately|about)|=)[\s*]*$/.test(
      text.slice(Math.max(0, last.start - 20), last.start),
    )
  ) {
    return last;
  }
  const computed = sentence.findLast((token) => isComputed(text, token));
  if (computed !== undefined) return computed;
  for (const result of results.slice(-RESULTS_REMEMBERED).reverse()) {
    const restated = sentence.find((token) => token.display === result && !isOperand(text, token));
    if (restated !== undefined) return restated;
  }
  return beforePurpose(text, sentence) ?? last;
}

/** "It takes 9 minutes to blink 459 times": what something is for was given. Null where no number stands before it. */
function beforePurpose(text: string, sentence: readonly NumberToken[]): NumberToken | null {
  const [before, after] = sentence.slice(-2);
  if (before === undefined || after === undefined) return null;
  const between = text.slice(before.end, after.start);
  return PURPOSE.test(between) ? before : null;
}

const PURPOSE = /^[^,.;:]{0,60}?\sto\s(?!(?:be|get|have|make|reach)\b)[a-z]{3,}\s[^,.;:]{0,40}$/;

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

function endsSentence(text: string, from: number, to: number): boolean {
  return /\n|[.!?]["'”’)\]]*\s+[A-Z("“$]/.test(
    text.slice(from, Math.min(to, from + MAX_SENTENCE_LENGTH) + 1),
  );
}

/** Whether a number stands right behind a "=" that is no mere naming, as in x = 5. */
function isComputed(text: string, token: NumberToken): boolean {
  const before = text.slice(Math.max(0, token.start - 24), token.start).replace(/[\s*]+$/, "");
  return before.endsWith("=") && !/(?:^|[^a-z\\])[a-z]\s*=$/i.test(before);
}
