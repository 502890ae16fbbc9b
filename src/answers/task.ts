// The kinds of question, and the rules that tell them apart. It knows nothing of prompts, and reads no answers.

export const TASKS = ["math", "multiple-choice", "yes-no", "free"] as const;

export type Task = (typeof TASKS)[number];

/** One option of a multiple-choice question. */
export interface Choice {
  readonly label: string;
  readonly text: string;
}

const AUXILIARY_VERBS =
  "(?:(?:is|are|was|were|do|does|did|can|could|will|would|shall|should|has|have|had|may|might|must)(?:n't|n’t)?|am|can't|won't)";
const YES_NO = new RegExp(
  String.raw`^(?:(?:if|when|while|during|given|after|before|in|on|at)\b[^?\n]{1,300},\s)?${AUXILIARY_VERBS}\s`,
  "i",
);

/** A question word in an opening clause, as in "If it takes Al 5 hours, how long, in minutes, does …". */
const ASKS_FOR = /\b(?:how|what|which|who|whom|whose|where|why|speed)\b/i;

const LATEX = /\\(?:[a-z]{2,}|[([])|\$(?=[^\s$])[^$\n]{0,200}[^\s$\\]\$(?!\d)/i;

const NUMBER =
  /\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|hundred|thousand|million|half|twice|double|dozen|triple)\b/i;

const QUANTITY =
  /\b(?:what(?:['’]s|\s(?:is|are|was|were|will|would|must|does|did|percent\w*|fraction|number|amount|time|speed|rate|size|value|age|distance))|how (?:long|far|old|tall|fast|often|big|large|heavy|high|deep|wide)|calculate|compute|evaluate|solve|simplify|determine|find|express)\b/i;

/** Asks for a quantity even in a question that begins like a yes-no one: "Can you tell how many …". */
const HOW_MANY = /\bhow (?:many|much)\b/i;
const NUMBER_OF = /\bnumber of\b/i;

/**
 * The task that a question is given when its request names none:
 *
 * 1. `multiple-choice` when choices are given;
 * 2. `yes-no` when its last question begins with an auxiliary verb (is, do, can, would, has, …), straight away or after
 *    an opening clause ("If …, would"), offers no alternative with "or" and does not ask how many or how much;
 * 3. `math` when it is written with LaTeX (`\frac`, `\(`, `$…$`);
 * 4. `math` when it asks how many, how much or the number of something, or has a number and asks for a quantity (what is, calculate, …);
 * 5. `free` otherwise.
 */
export function inferTask(question: string, choices?: readonly Choice[] | null): Task {
  if (choices !== undefined && choices !== null && choices.length > 0) return "multiple-choice";
  // What is asked stands at the end and is short; the limit bounds the work on hostile text.
  const text = question.slice(-8192);
  const asked = lastQuestion(text);
  const opening = YES_NO.exec(asked)?.[0] ?? null;
  if (opening !== null && !ASKS_FOR.test(opening) && !/\sor\s/i.test(asked) && !HOW_MANY.test(asked))
    return "yes-no";
  if (LATEX.test(text)) return "math";
  if (HOW_MANY.test(text) || NUMBER_OF.test(asked) || (NUMBER.test(text) && QUANTITY.test(text)))
    return "math";
  return "free";
}

/**
 * The task of a question whose gold answer is known. The gold answer tells more than the question does: `yes-no` for
 * yes, no, true and false, and `math` for a number or a formula. For any other it is `math` when inferTask says so of
 * the question, else `free`. With choices it is always `multiple-choice`.
 */
export function taskOf(question: string, choices: readonly Choice[] | null, gold: string): Task {
  if (choices !== null && choices.length > 0) return "multiple-choice";
  if (/^\s*(?:yes|no|true|false)\s*$/i.test(gold)) return "yes-no";
  if (/\d|\\[a-z]|[=^]/i.test(gold)) return "math";
  return inferTask(question) === "math" ? "math" : "free";
}

/** The last sentence that ends in a question mark, or the last sentence when none does. */
function lastQuestion(text: string): string {
  const end = text.lastIndexOf("?");
  const upTo = (end < 0 ? text : text.slice(0, end)).trimEnd();
  let start = 0;
  // A full stop after a single letter is part of a name: J. K. Rowling.
  for (const match of upTo.matchAll(/(?<=[a-z]{2}|[\d)"'%$])[.!?]["')]{0,2}\s+(?=["'(]?[A-Z\d$\\])|\n/g)) {
    start = match.index + match[0].length;
  }
  return upTo.slice(start).trimStart();
}

/** More than any benchmark's questions have. */
export const MOST_CHOICES = 1024;
