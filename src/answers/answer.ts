// Answers of all tasks: out of a text, as a key that votes are counted by, and compared. It dispatches to the task's
// own reader and knows the order in which places are looked at.

import { type ChoiceReading, findChoice, readChoiceFallback, readChoiceMarker } from "./choice.ts";
import { canonicalFree, readFreeFallback, readFreeMarker } from "./free.ts";
import { canonicalLatex, latexEquivalent } from "./latex/equivalence.ts";
import { type AnswerMarker, findAnswerMarkers } from "./markers.ts";
import { readMathMarker, readMathStatement } from "./math.ts";
import { readMathFallback } from "./math-fallback.ts";
import type { Choice, Task } from "./task.ts";
import { readYesNoFallback, readYesNoLastLine, readYesNoMarker, readYesNoWord } from "./yes-no.ts";

export interface AnswerContext {
  readonly choices?: readonly Choice[] | null;
}

/** An answer stands at a text's end: what lies further back is not read. It bounds the work on hostile text. */
const READ_LENGTH = 65_536;

/**
 * The answer that `text` gives, normalised: a choice's label, `yes` or `no`, a plain number, an expression, or words.
 * Explicit announcements are looked at first, the last one before earlier ones (\boxed{…}, "#### …", "the answer is …",
 * "Answer: …"), then the task's fallback: the last number or formula, the last choice named, the last yes or no, the
 * last sentence. Null when there is none. Linear in the text's length.
 *
 * @example extractAnswer("math", "She has 3 + 4 = 7. The answer is $7.00.") // "7"
 */
export function extractAnswer(task: Task, text: string, context: AnswerContext = {}): string | null {
  const read = text.slice(-READ_LENGTH);
  const markers = findAnswerMarkers(read);
  switch (task) {
    case "math":
      return extractMath(read, markers);
    case "yes-no":
      return readYesNoLastLine(read) ?? lastRead(markers, readYesNoMarker) ?? readYesNoFallback(read);
    case "multiple-choice":
      // "A: (E) …" answers a "Q:"; it does not choose A.
      return extractChoice(read.replace(/^\s*A:\s+(?=\()/, ""), markers, context.choices ?? []);
    case "free":
      return lastRead(markers, readFreeMarker) ?? readFreeFallback(read);
  }
}

/**
 * The key by which votes for `raw` are counted: two answers are the same exactly when their keys are. Null when `raw`
 * is no answer of its task.
 */
export function canonicalAnswer(task: Task, raw: string, context: AnswerContext = {}): string | null {
  switch (task) {
    case "math":
      return canonicalLatex(raw) || null;
    case "yes-no":
      return readYesNoWord(raw);
    case "multiple-choice":
      return findChoice(raw, context.choices ?? [])?.label ?? null;
    case "free":
      return canonicalFree(raw);
  }
}

/**
 * Whether two answers are the same by value, one of them perhaps with a unit that a vote must take for a variable: 5 g
 * and 5. What is no answer equals nothing.
 */
export function answersEqual(task: Task, a: string, b: string, context: AnswerContext = {}): boolean {
  if (task === "math") return latexEquivalent(a, b);
  const key = canonicalAnswer(task, a, context);
  return key !== null && key === canonicalAnswer(task, b, context);
}

function lastRead(
  markers: readonly AnswerMarker[],
  read: (marker: AnswerMarker) => string | null,
): string | null {
  for (const marker of markers.toReversed()) {
    const answer = read(marker);
    if (answer !== null) return answer;
  }
  return null;
}

/** \boxed{…}, "#### …" and "answer" first, in prose too, then "the solution is …", then no marker. */
function extractMath(text: string, markers: readonly AnswerMarker[]): string | null {
  const announced = markers.filter(({ kind }) => kind !== "solution");
  if (deniesAnswer(announced.at(-1))) return null;
  // A solution from which something is concluded is a step.
  const described = markers.filter(({ kind, end }) => kind === "solution" && !concludes(text.slice(end)));
  return (
    lastRead(announced, readMathMarker) ??
    lastRead(announced, (marker) => readMathStatement(marker, text)) ??
    lastRead(described, readMathMarker) ??
    readMathFallback(text)
  );
}

/** "The answer is that there are no such numbers": what stands before it is no answer. */
function deniesAnswer(marker: AnswerMarker | undefined): boolean {
  return (
    marker?.kind === "phrase" &&
    /^(?:that )?(?:there (?:is|are) no\b(?!t)|it cannot be)/i.test(marker.content)
  );
}

/** Whether a text draws a conclusion in numbers or formulas. */
function concludes(text: string): boolean {
  return /(?:^|[.:\n])\s{0,4}(?:Therefore|Thus|So|Hence|Finally|In conclusion)\b[^\n]{0,200}[\d\\]/.test(
    text,
  );
}

/** A last announcement that names several choices is no answer, and leaves only the text behind it. */
function extractChoice(
  text: string,
  markers: readonly AnswerMarker[],
  choices: readonly Choice[],
): string | null {
  for (const marker of markers.toReversed()) {
    const reading: ChoiceReading = readChoiceMarker(marker, choices);
    if (reading === "several") return readChoiceFallback(text.slice(marker.end), choices)?.label ?? null;
    if (reading !== null) return reading.label;
  }
  return readChoiceFallback(text, choices)?.label ?? null;
}
