// The kinds of question and the declared rule that tells them apart. It knows nothing of prompts or answers.

export type Task = "math" | "multiple-choice" | "yes-no" | "free";

export const TASKS: readonly Task[] = ["math", "multiple-choice", "yes-no", "free"];

/** One option of a multiple-choice question. */
export interface Choice {
  readonly label: string;
  readonly text: string;
}

const AUXILIARY =
  /^(?:is|are|was|were|am|do|does|did|can|could|will|would|shall|should|has|have|had|may|might|must|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|can't|couldn't|won't|wouldn't|shouldn't|hasn't|haven't|hadn't)\s/i;

const QUANTITY_WORDS =
  /\b(?:how (?:many|much|long|far|old|tall|fast|often|big|large|heavy|high|deep|wide)|what (?:is|are|was|were|will be|would be|percent|percentage|fraction|number|amount|value)|calculate|compute|evaluate|solve|simplify|determine|find|express|total|sum|average|remainder|probability|how)\b/i;

const LATEX = /\\[a-zA-Z([]|\$[^$\n]{1,200}\$/;

/**
 * The task that a question is given when its request names none:
 *
 * 1. `multiple-choice` when choices are given;
 * 2. `math` when the question is written with LaTeX (`\frac`, `\(`, `$…$`);
 * 3. `yes-no` when its last sentence begins with an auxiliary verb (is, do, can, would, has, …) and offers no
 *    alternative with "or";
 * 4. `math` when it has a digit or a number word and asks for a quantity (how many, what is, calculate, …);
 * 5. `free` otherwise.
 */
export function inferTask(question: string, choices?: readonly Choice[] | null): Task {
  if (choices !== undefined && choices !== null && choices.length > 0) return "multiple-choice";
  // The asking part of a question is short and at its end; a bound keeps a hostile question cheap.
  const asked = question.slice(-8192);
  if (LATEX.test(asked)) return "math";
  const sentence = lastSentence(asked);
  if (AUXILIARY.test(sentence) && !/\sor\s/i.test(sentence)) return "yes-no";
  if (HAS_NUMBER.test(asked) && QUANTITY_WORDS.test(asked)) return "math";
  return "free";
}

const HAS_NUMBER =
  /\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|hundred|thousand|million|half|twice|dozen)\b/i;

function lastSentence(question: string): string {
  const text = question.trim();
  for (let at = text.length - 2; at > 0; at--) {
    const character = text[at];
    const ends =
      character === "\n" ||
      ((character === "." || character === "?" || character === "!") && text[at + 1] === " ");
    if (ends) return text.slice(at + 1).trimStart();
  }
  return text;
}
