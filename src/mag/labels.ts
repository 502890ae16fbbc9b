// Which answers are right: every label is recomputed with the project's own answer equivalence. It does not know how
// answers were voted on or who gave them.

import { canonicalAnswer, extractAnswer } from "../answers/answer.ts";
import { type Choice, inferTask, type Task } from "../answers/task.ts";

export interface Asked {
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
  readonly gold: string;
}

/**
 * The task of a question whose answer is known, which tells more than the question: choices, then a yes or no, then a
 * number or formula; else what the question's own words say.
 */
export function taskOf(question: string, choices: readonly Choice[] | null, gold: string): Task {
  if (choices !== null && choices.length > 0) return "multiple-choice";
  if (/^\s*(?:yes|no|true|false)\s*$/i.test(gold)) return "yes-no";
  if (/\d|\\[a-z]|[=^]/i.test(gold)) return "math";
  return inferTask(question) === "math" ? "math" : "free";
}

/** 1 when `answer` equals the gold one by value; an answer that is none is wrong. */
export function labelOf(answer: string | null, { task, choices, gold }: Asked): 0 | 1 {
  if (answer === null) return 0;
  const key = canonicalAnswer(task, answer, { choices });
  return key !== null && key === canonicalAnswer(task, gold, { choices }) ? 1 : 0;
}

/** The answer that was recorded, or what the reasoning says when nothing was (undefined); null stays null. */
export function answerOf(
  recorded: string | null | undefined,
  reasoning: string,
  asked: Asked,
): string | null {
  return recorded === undefined ? extractAnswer(asked.task, reasoning, { choices: asked.choices }) : recorded;
}

/** Whether the gold answer is one of its task's at all: a record without one can label nothing. */
export function hasGold({ task, choices, gold }: Asked): boolean {
  return canonicalAnswer(task, gold, { choices }) !== null;
}
