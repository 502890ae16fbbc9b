// The zero-shot chain-of-thought prompt of each task, as chat messages. No chat template here.

import type { Choice, Task } from "../answers/task.ts";

export interface ChatMessage {
  readonly role: "user";
  readonly content: string;
}

export interface PromptInput {
  readonly task: Task;
  readonly question: string;
  readonly choices?: readonly Choice[] | null;
  readonly passage?: string | null;
}

/** Each instruction asks for a final sentence that answer extraction reads reliably. */
const INSTRUCTIONS: Record<Task, string> = {
  // Small students copy the "X" of an example sentence, so open answers get no example.
  math: 'Think step by step, then finish with the sentence "The answer is" followed by the final number or expression.',
  "multiple-choice":
    'Think step by step. End with "The answer is (X).", where X is the letter of the best choice.',
  "yes-no": 'Think step by step. End with "The answer is X.", where X is yes or no.',
  free: 'Think step by step, then finish with the sentence "The answer is" followed by your short answer.',
};

/**
 * One user message: the passage if there is one, the question, its choices as `(A) …`, and the task's instruction. No
 * system message, because the student's chat template has its own default.
 *
 * @example renderPrompt({ task: "yes-no", question: "Can fish walk?" })[0].content
 */
export function renderPrompt(input: PromptInput): [ChatMessage] {
  const labels = (input.choices ?? []).map((choice) => choice.label);
  const numbered =
    input.task === "multiple-choice" && labels.length > 0 && labels.every((label) => /^\d+$/.test(label));
  const instruction = numbered
    ? INSTRUCTIONS[input.task].replace("the letter", "the number")
    : INSTRUCTIONS[input.task];
  return [{ role: "user", content: `${questionText(input)}\n\n${instruction}` }];
}

/** What is asked, without an instruction: the passage if there is one, the question, its choices as `(A) …`. */
export function questionText(input: Omit<PromptInput, "task">): string {
  const parts: string[] = [];
  const passage = input.passage?.trim() ?? "";
  if (passage !== "") parts.push(`Passage: ${passage}`);
  const question = [`Question: ${input.question.trim()}`];
  for (const choice of input.choices ?? []) question.push(`(${choice.label}) ${choice.text}`);
  parts.push(question.join("\n"));
  return parts.join("\n\n");
}
