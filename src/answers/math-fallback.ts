// Reads the number or formula that a text comes to where nothing announces it: at its end, but for checks and
// circumstances. What sentences come to in plain numbers is math-conclusion's.

import { tidyExpression } from "./latex/expression.ts";
import { findMathSpans, type MathSpan } from "./latex/spans.ts";
import { readConclusion } from "./math-conclusion.ts";

/**
 * Without any marker: the last formula's last side or what the last sentence says in numbers, whichever stands later.
 */
export function readMathFallback(text: string): string | null {
  return readUnmarked(withoutCheck(text));
}

/** A sentence that begins to check what was found, one that finds it confirmed, and one that goes on from there. */
const CHECK =
  /(?:^|[.!:\n])\s{0,4}(?:Alternatively, )?(?:we can |you can |let's |let us |one way to |to )(?:double[- ]?check|(?:check|verify|confirm)(?= (?:our|this|the|if|whether|that) [^.\n]{0,60}?(?:answer|solution|work|result|correct|makes sense)))/gi;
const CONFIRMED = /\b(?:correct|confirm\w*|match\w*|checks out|makes sense|satisf\w+|as expected)\b/i;
const GOES_ON = /(?:^|[.!\n])\s{0,4}(?:Therefore|Thus|So|Hence|Now|Finally|In conclusion)\b[^.\n]{0,200}\d/;

/** A text up to where it last checks its answer, if that holds and ends it. */
function withoutCheck(text: string): string {
  const check = [...text.matchAll(CHECK)].at(-1);
  if (check === undefined || !/\d/.test(text.slice(0, check.index))) return text;
  const checked = text.slice(check.index + check[0].length);
  const confirmed = CONFIRMED.exec(checked);
  const holds = confirmed !== null && !GOES_ON.test(checked.slice(confirmed.index));
  return holds ? text.slice(0, check.index) : text;
}

function readUnmarked(whole: string): string | null {
  const text = withoutCircumstance(whole);
  const conclusion = readConclusion(text);
  const spans = findMathSpans(text);
  const at = spans.findLastIndex(({ content }) => /[\d\\]/.test(lastSide(content)));
  const span = spans[at];
  if (span === undefined || (conclusion !== null && conclusion.start >= span.end))
    return conclusion?.display ?? null;
  const list = readList(text, spans.slice(0, at + 1));
  return list ?? tidyExpression(lastSide(span.content)) ?? conclusion?.display ?? null;
}

/** How many formulas may stand behind "which occurs when". */
const MAX_CIRCUMSTANCES = 4;
const CIRCUMSTANCE =
  /,?\s(?:when|where|with equality|(?:which )?(?:is )?(?:attained|achieved|occurs))\b(?:(?!\s(?:is|are|equals)\b)[^.\n]){0,40}$/i;
const JOINED = /^\s*(?:,|,?\s?(?:and|or))\s*$/;

/** "The maximum is $4$, which occurs when $x=3$ and $y=2$.": a text without what only tells when its end holds. */
function withoutCircumstance(text: string): string {
  const spans = findMathSpans(text).slice(-MAX_CIRCUMSTANCES - 1);
  if (/^[^.\n]*\d/.test(text.slice(spans.at(-1)?.end ?? text.length))) return text;
  for (let at = spans.length - 1; at > 0; at--) {
    const from = spans[at - 1]!.end;
    const between = text.slice(from, spans[at]!.start);
    const circumstance = CIRCUMSTANCE.exec(between);
    if (circumstance === null && JOINED.test(between)) continue;
    const before = between.slice(0, circumstance?.index);
    if (circumstance === null || /[.\n]|\b(?:true|holds|valid|satisfied)$/.test(before)) return text;
    return text.slice(0, from + circumstance.index);
  }
  return text;
}

/** "are $x=5$ and $x=1$": the formulas that something is, joined. Null where the last one stands alone. */
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
