// Reads the answer of a mathematical question, a number or an expression, where a text announces it. When two answers
// are equal is decided in latex/equivalence.ts.

import { tidyExpression } from "./latex/expression.ts";
import { findMathSpans } from "./latex/spans.ts";
import type { AnswerMarker } from "./markers.ts";
import { readMathFallback } from "./math-fallback.ts";
import { readNumberWords, SCALE_WORDS } from "./numbers/number-words.ts";
import { dropEnd, SPACES, spacesAnd } from "./trim.ts";

/** Words of three letters or more that can be part of an expression. */
const CONTINUES = new RegExp(`^(?:and|or|sin|cos|tan|cot|sec|csc|log|sqrt|infinity|${SCALE_WORDS})$`, "i");
/** Words of two letters that cannot. */
const SHORT_PROSE = /^(?:of|to|at|in|on|is|by|so|we|he|it|as|an|if|be|am)$/i;

/** The beginning of a sentence up to its first word of prose; "" when that is its first word. */
function leadingExpression(sentence: string): string {
  const words = /\\(?:text|mbox|mathrm|textbf|begin|end|operatorname)\s?\{[^{}]*\}|\\[a-z]+|[a-z]+/gi;
  for (const word of sentence.matchAll(words)) {
    const [text] = word;
    const isProse = text.length > 2 ? !CONTINUES.test(text) : SHORT_PROSE.test(text);
    if (!text.startsWith("\\") && isProse) return sentence.slice(0, word.index);
  }
  return sentence;
}

/** What a marker announces directly: a box's content, or the expression that a statement begins with; else null. */
export function readMathMarker(marker: AnswerMarker): string | null {
  if (marker.kind === "boxed") {
    if (PLACEHOLDER.test(marker.content)) return null;
    return tidyExpression(NAMED_VALUE.exec(marker.content)?.[1] ?? marker.content);
  }
  if (marker.kind === "hashes" && !/^[-−+$£€(.\d\\*]/.test(marker.content.trim())) return null;
  // Working under a heading ends in the answer and does not begin with it.
  if (marker.heading === true && marker.content.includes("=")) return null;
  const statement = withoutNegation(marker.content);
  if (statement === null) return null;
  return readDirect(statement) ?? (marker.kind === "phrase" ? readNamed(statement) : null);
}

/** \boxed{answer}, as instructions say it and models repeat it. */
const PLACEHOLDER =
  /^(?:\\text\s?\{)?(?:(?:your|the|final|numerical)\s)*(?:answer|number|result|solution|expression)\}?$/i;

/** A sentence in a box that ends in a value: "Caroline is 24", "the total cost is $12". */
const NAMED_VALUE =
  /^(?:\\text\s?\{)?[a-z][a-z\s]{1,60}\b(?:is|are|was|were|equals|has|have)\b[\s}]*([-−\\$£€.\d][^a-z{}]*)\}?$/i;

/** Answers in words, other than names. */
const NAMED =
  /^(?:even|odd|neither|none|yes|no|infinity|undefined|(?:an? )?(?:circle|ellipse|hyperbola|line|parabola|point)|two lines|the empty set)$/;

const DATE =
  /^((?:(?:Jan|Febr)uary|March|April|May|June|July|August|(?:Septem|Octo|Novem|Decem)ber)\s\d{1,2})(?:st|nd|rd|th)?$/;

const STOPS = spacesAnd(".!");

/** An answer that is only a name or a word: "Friday", "June 20th", "Dana", "ACF", "A,B,E", "(A) a line", "odd". */
function readNamed(statement: string): string | null {
  const bare = dropEnd(statement.replace(/[*$"'“”‘’]/g, ""), STOPS).trim();
  const choice = /^\([A-Z]\)(?=$|\s)/.exec(bare);
  if (choice !== null) return choice[0];
  const date = DATE.exec(bare);
  if (date !== null) return date[1] ?? null;
  const isName = /^[A-Z][a-z]+$/.test(bare) || /^[A-Z](?:,?\s?[A-Z]){1,5}$/.test(bare);
  return isName || NAMED.test(bare) ? bare.replace(/^an? /, "") : null;
}

/** How far before a statement, and behind a heading, its computations are looked for. */
const CONTEXT_LENGTH = 3000;

/** The answer of a statement that begins with prose: "the answer is that she has 5 apples". Under a heading all that
 * follows is read. */
export function readMathStatement(marker: AnswerMarker, text: string): string | null {
  if (marker.kind !== "phrase") return null;
  const statement = withoutNegation(marker.content);
  if (statement === null) return null;
  if (statement !== marker.content) return readMathFallback(statement);
  const end = marker.heading === true ? marker.start + CONTEXT_LENGTH : marker.end;
  if (!/\d/.test(text.slice(marker.start, end))) return null;
  return readMathFallback(text.slice(Math.max(0, marker.start - CONTEXT_LENGTH), end));
}

/** "not 5 but 6" → "6"; null when a statement only says what the answer is not. */
function withoutNegation(statement: string): string | null {
  if (!/^(?:not|never|incorrect|wrong|unclear|unknown|neither)\b/i.test(statement)) return statement;
  const correction = /^not\s[^,;]{1,60}(?:,?\s?but|[,;]\s?(?:it is|rather))\s/i.exec(statement);
  return correction === null ? null : statement.slice(correction[0].length);
}

/** Begins a reason or a condition. */
const REASON = /\b(?:since|because|given|if|when|where)\b/;

/** The number or formula that a sentence begins with, up to its first word of prose; "" when it begins with none. */
export function leadingFormula(sentence: string): string {
  const lead = leadingExpression(sentence).trim();
  return trimOpen(lead, lead !== sentence.trim());
}

function readDirect(raw: string): string | null {
  const sentence = raw
    .replaceAll("**", "")
    .replace(/^[\s:="'“”‘’]+/, "")
    .replace(
      /^(?:an?|the|about|approximately|around|exactly|just|only|simply)\s(?=[-−]?[\d$\\(]|negative|minus)/i,
      "",
    )
    .replace(/^(?:negative|minus)\s(?=[\d$\\(])/i, "-");
  // "6 and a half" goes on behind its numeral.
  if (/^[-−]?\d[\d,.]*[\s-]and[\s-]/.test(sentence)) {
    const mixed = readNumberWords(sentence);
    if (mixed !== null) return mixed;
  }
  const formulas = leadingFormulas(sentence);
  if (formulas !== null) return tidyExpression(formulas);
  const lead = leadingExpression(sentence).trim();
  const isExpression =
    /[\d\\^]/.test(lead) || (lead === sentence.trim() && /^[^a-z]*[a-z][^a-z]*$/i.test(lead));
  // "32 ounces - 30 ounces = 2 ounces" and "8 pens will cost $12" do not begin with their answer.
  const [further = ""] = sentence.trimStart().slice(trimOpen(lead).length).split(REASON);
  const isComputation =
    lead.length < sentence.trim().length &&
    /=|^[^.,]{0,80}\b(?:will|can|could|would|is|are|have|has|costs?)\s[^.,]{0,80}\d/.test(further);
  // 18 (9 × 2): the working in parentheses is dropped.
  const remark = /^([-−]?[$£€]?[\d.,]+)\s\([\d\s.+*/×÷x=−-]+\)[.\s]*$/.exec(lead);
  if (remark !== null) return tidyExpression(remark[1] ?? "");
  const isCut = lead !== sentence.trim();
  if (isExpression && !isComputation) return tidyExpression(withoutClosingQuote(trimOpen(lead, isCut)));
  return readNumberWords(sentence);
}

/** The formulas that a sentence begins with, joined: "$x = 1$ or $x = 5$". Null when it begins with none. */
function leadingFormulas(sentence: string): string | null {
  let joined = "";
  let end = 0;
  for (const span of findMathSpans(sentence)) {
    const between = sentence.slice(end, span.start);
    if (joined === "" ? !/^[\s"'“‘(]*$/.test(between) : !/^\s*(?:,|,?\s?(?:and|or))\s*$/i.test(between))
      break;
    joined += (joined === "" ? "" : ", ") + span.content;
    end = span.end;
  }
  return joined || null;
}

/** Drops a closing single quote. Behind a letter it is a prime, as in f', and stays. */
function withoutClosingQuote(expression: string): string {
  return expression.replace(/(?<=[^\sa-z'’])['’][\s.,;:!?"”]*$/i, "");
}

const CONNECTIVE = /(?:[Aa]nd|[Oo]r)$/;
/** A single letter before the cut belongs to the prose that was cut off, unless it is i, the imaginary unit. */
const CUT_CONNECTIVE = /(?:[Aa]nd|[Oo]r|[a-hj-zA-Z])$/;
const OPEN_MARKS = spacesAnd(",;:({[-–—/");

/** Drops marks that cannot end an expression, the connectives before them, and the marks before those. */
function withoutOpenEnd(expression: string, connective: RegExp): string {
  let rest = dropEnd(expression, OPEN_MARKS);
  for (;;) {
    const last = connective.exec(rest.slice(-4));
    // Something of white space stands before it.
    if (last === null || !SPACES.has(rest[rest.length - last[0].length - 1] ?? "")) break;
    rest = rest.slice(0, -last[0].length - 1);
  }
  return dropEnd(rest, OPEN_MARKS);
}

/** Drops connectives and brackets without a partner at an expression's end, where prose may have been cut off. */
function trimOpen(expression: string, isCut = true): string {
  const trimmed = withoutOpenEnd(expression, isCut ? CUT_CONNECTIVE : CONNECTIVE);
  return /[([]/.test(trimmed) ? trimmed : trimmed.replace(/\)[.\s]*$/, "");
}
