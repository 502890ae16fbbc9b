// Answers of all tasks: extracts one from a text, makes the key that votes are counted by, and compares two. Each task
// has its own reader; the order in which the places of a text are looked at is decided here.

import { type ChoiceReading, findChoice, readChoiceFallback, readChoiceMarker } from "./choice.ts";
import { canonicalFree, readFreeFallback, readFreeMarker } from "./free.ts";
import { canonicalLatex, latexEquivalent } from "./latex/equivalence.ts";
import { type AnswerMarker, findAnswerMarkers } from "./markers.ts";
import { readMathMarker, readMathStatement } from "./math.ts";
import { readMathFallback } from "./math-fallback.ts";
import { plainNumbers } from "./numbers/unicode.ts";
import { saysMore, turnEnd } from "./run-on.ts";
import type { Choice, Task } from "./task.ts";
import { readYesNoFallback, readYesNoLastLine, readYesNoMarker, readYesNoWord } from "./yes-no.ts";

export interface AnswerContext {
  readonly choices?: readonly Choice[] | null;
}

/** How many characters at the end of a text are read; its answer is there. It bounds the work on hostile text. */
const READ_LENGTH = 65_536;
/** How many are read where nothing announces the answer. */
const UNMARKED_LENGTH = 16_384;
/** The last announcements that are tried. */
const MAX_TRIED = 48;
const MAX_TRIED_FOR_CHOICE = 24;
/** The last announcements whose sentence is searched, with its context, for a computation. */
const MAX_SEARCHED = 12;

/**
 * The answer that `text` gives, normalised: a choice's label, `yes` or `no`, a plain number, an expression, or words.
 * Explicit announcements are looked at first, the last one before earlier ones (\boxed{…}, "#### …", "the answer is …",
 * "Answer: …"), then the task's fallback: the last number or formula, the last choice named, the last yes or no, the
 * last sentence. What stands behind the answer as a new turn is not read, see firstTurn. Null when there is none.
 * Linear in the text's length.
 *
 * @example extractAnswer("math", "She has 3 + 4 = 7. The answer is $7.00.") // "7"
 */
export function extractAnswer(task: Task, text: string, context: AnswerContext = {}): string | null {
  const read = readable(task, firstTurn(task, text, context).slice(-READ_LENGTH));
  const markers = findAnswerMarkers(read);
  switch (task) {
    case "math":
      return extractMath(read, markers);
    case "yes-no":
      return readYesNoLastLine(read) ?? lastRead(markers, readYesNoMarker) ?? readYesNoFallback(read);
    case "multiple-choice":
      // The A of "A: (E) …" stands for "answer", as in "Q: … A: …", and is not choice A.
      return extractChoice(read.replace(/^\s*A:\s+(?=\()/, ""), markers, context.choices ?? []);
    case "free":
      return lastRead(markers, readFreeMarker) ?? readFreeFallback(read);
  }
}

/**
 * The first turn of `text`, in which the question is answered: up to where a new turn begins behind the answer
 * ("Question: …", "User: …", <|im_start|>). The whole text when none does. Linear in the text's length.
 */
export function firstTurn(task: Task, text: string, context: AnswerContext = {}): string {
  const choices = context.choices ?? [];
  const endIn = (part: string) => turnEnd(part, (said) => announces(task, said, choices));
  const end = endIn(text.slice(0, READ_LENGTH));
  if (end !== null) return text.slice(0, end);
  if (text.length <= READ_LENGTH) return text;
  const skipped = text.length - READ_LENGTH;
  const later = endIn(text.slice(skipped));
  return later === null ? text : text.slice(0, skipped + later);
}

/** Whether a text runs on into another turn, such as a next question, behind its answer. */
export function runsOn(task: Task, text: string, context: AnswerContext = {}): boolean {
  return saysMore(text.slice(firstTurn(task, text, context).length));
}

function readable(task: Task, text: string): string {
  return task === "math" || task === "multiple-choice" ? plainNumbers(text).slice(-READ_LENGTH) : text;
}

/** Whether a text announces an answer of the task, or is no more than an answer. */
function announces(task: Task, text: string, choices: readonly Choice[]): boolean {
  const read = readable(task, text);
  const markers = findAnswerMarkers(read);
  const alone = read.trim();
  switch (task) {
    case "math":
      return announcedMath(read, markers) !== null || /^[^\p{L}]{0,80}\d[^\p{L}]{0,80}$/u.test(alone);
    case "yes-no":
      return lastRead(markers, readYesNoMarker) !== null || /^\W{0,4}(?:yes|no)(?:[.,!:;*]|$)/i.test(alone);
    case "multiple-choice":
      return (
        markers.slice(-MAX_TRIED_FOR_CHOICE).some((marker) => readChoiceMarker(marker, choices) !== null) ||
        (alone.length < 200 && !alone.includes("\n") && findChoice(alone, choices) !== null)
      );
    case "free":
      return lastRead(markers, readFreeMarker) !== null;
  }
}

/** The key that votes for `raw` are counted by; equal answers have equal keys. Null when it is no answer of the task. */
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
 * Whether two answers are the same by value. Unlike their keys it ignores a unit of one letter, which could also be a
 * variable: 5 g equals 5. False when either is no answer of its task.
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
  for (const marker of markers.slice(-MAX_TRIED).reverse()) {
    const answer = read(marker);
    if (answer !== null) return answer;
  }
  return null;
}

/** Tries what is announced as the answer, then what is called a solution, then the fallback. */
function extractMath(text: string, markers: readonly AnswerMarker[]): string | null {
  const announced = markers.filter(({ kind }) => kind !== "solution");
  if (deniesAnswer(announced.at(-1))) return null;
  // A solution that a conclusion follows is only a step.
  const conclusion = lastConclusion(text);
  const described = markers.filter(
    ({ kind, end }) => kind === "solution" && conclusion < end && !beginsConclusion(text, end),
  );
  return (
    announcedMath(text, announced) ??
    lastRead(described, readMathMarker) ??
    readMathFallback(text.slice(-UNMARKED_LENGTH))
  );
}

function announcedMath(text: string, markers: readonly AnswerMarker[]): string | null {
  const announced = markers.filter(({ kind }) => kind !== "solution");
  return (
    lastRead(announced, readMathMarker) ??
    lastRead(announced.slice(-MAX_SEARCHED), (marker) => readMathStatement(marker, text))
  );
}

/** "The answer is that there are no such numbers": then no number of the text is the answer. */
function deniesAnswer(marker: AnswerMarker | undefined): boolean {
  return (
    marker?.kind === "phrase" &&
    /^(?:that )?(?:there (?:is|are) no\b(?!t)|it cannot be)/i.test(marker.content)
  );
}

/** A conclusion with a number or a formula. */
const CONCLUSION = String.raw`\s{0,4}(?:Therefore|Thus|So|Hence|Finally|In conclusion)\b[^\n]{0,200}[\d\\]`;
const CONCLUSIONS = new RegExp(`[.:\\n](?=${CONCLUSION})`, "g");
const CONCLUSION_AT = new RegExp(CONCLUSION, "y");

/** Where the last conclusion behind a full stop, a colon or a line's end begins; -1 where there is none. */
function lastConclusion(text: string): number {
  return [...text.matchAll(CONCLUSIONS)].at(-1)?.index ?? -1;
}

function beginsConclusion(text: string, at: number): boolean {
  CONCLUSION_AT.lastIndex = at;
  return CONCLUSION_AT.test(text);
}

/** The last announcement counts. When it names several choices, only the text behind it is read further. */
function extractChoice(
  text: string,
  markers: readonly AnswerMarker[],
  choices: readonly Choice[],
): string | null {
  for (const marker of markers.slice(-MAX_TRIED_FOR_CHOICE).reverse()) {
    const reading: ChoiceReading = readChoiceMarker(marker, choices);
    if (reading === "several")
      return readChoiceFallback(text.slice(marker.end).slice(-UNMARKED_LENGTH), choices)?.label ?? null;
    if (reading !== null) return reading.label;
  }
  return readChoiceFallback(text.slice(-UNMARKED_LENGTH), choices)?.label ?? null;
}
