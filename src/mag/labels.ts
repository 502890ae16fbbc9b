// Labels a node's answer as right or wrong by the project's own answer equality, whatever the source says. It does not
// know how answers were voted on or who gave them.

import { canonicalAnswer, extractAnswer } from "../answers/answer.ts";
import type { Choice, Task } from "../answers/task.ts";

export interface Asked {
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
  readonly gold: string;
}

/** 1 when `answer` equals the gold answer by value, else 0; null is wrong. */
export function labelOf(answer: string | null, { task, choices, gold }: Asked): 0 | 1 {
  if (answer === null) return 0;
  const key = canonicalAnswer(task, answer, { choices });
  return key !== null && key === canonicalAnswer(task, gold, { choices }) ? 1 : 0;
}

/** The recorded answer. When none was recorded (undefined), what the reasoning says; a recorded null stays null. */
export function answerOf(
  recorded: string | null | undefined,
  reasoning: string,
  asked: Asked,
): string | null {
  return recorded === undefined ? extractAnswer(asked.task, reasoning, { choices: asked.choices }) : recorded;
}

/** Whether the gold answer is a valid answer of its task. Without one, answers cannot be labelled. */
export function hasGold({ task, choices, gold }: Asked): boolean {
  return canonicalAnswer(task, gold, { choices }) !== null;
}
