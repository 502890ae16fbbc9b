// The completion that a student learns for one node: its reasoning, then a sentence with the answer, in a form from which the
// answer is extracted again. It knows neither tokens nor templates.

import { answersEqual, canonicalAnswer, extractAnswer, firstTurn } from "../../answers/answer.ts";
import type { Choice } from "../../answers/task.ts";
import type { Mag, MagNode } from "../../mag/mag-schema.ts";

type Question = Pick<Mag, "task" | "choices">;

/** A last line or sentence that only announces the answer, as models write it; one with a calculation does not match. */
const ANNOUNCEMENT =
  /(?:^|\n|(?<=[.!?])\s)[ \t*]*(?:####[^\n]*|(?:(?:so|therefore|thus|hence|in conclusion),?\s)?(?:the |my |our )?(?:(?:final|correct|best|updated|updated and correct) )?answer(?:\s\(yes or no\))?(?:\sis|:)[^\n=]{0,200})\s*$/i;
/** Some models announce the answer more than once. */
const MOST_ANNOUNCEMENTS = 3;

/**
 * The completion of a node: its reasoning, as far as it does not run on into another question, and "The answer is X.", from which extractAnswer gets the node's answer. Final
 * announcements of the same answer are replaced. Without an answer it is the reasoning alone, without reasoning the sentence
 * alone. Null when extractAnswer gets the answer from no form of the sentence.
 *
 * @example completionOf({ task: "math", choices: null }, { reasoning: "3 + 4 = 7\n#### 7", answer: "7" })
 *   // "3 + 4 = 7\nThe answer is 7."
 */
export function completionOf(question: Question, node: Pick<MagNode, "reasoning" | "answer">): string | null {
  const reasoning = firstTurn(question.task, node.reasoning, question).trim();
  if (node.answer === null) return reasoning;
  const stem = withoutAnnouncement(question, reasoning, node.answer);
  for (const sentence of answerSentences(question, node.answer)) {
    const text = stem === "" ? sentence : `${stem}${/\n/.test(stem) ? "\n" : " "}${sentence}`;
    if (reads(question, text, node.answer)) return text;
  }
  return null;
}

/** Forms of the final sentence, the most usual first. */
function answerSentences({ task, choices }: Question, answer: string): string[] {
  const said = answer.trim();
  // "(b) New York" and "Yes" become what the prompt asks for: (B) and yes.
  const plain = canonicalAnswer(task, answer, { choices }) ?? said;
  if (task === "multiple-choice") return [`The answer is (${plain}).`, `The answer is ${plain}.`];
  if (task === "yes-no") return [`The answer is ${plain}.`];
  if (task === "free") return [`The answer is ${said}.`];
  return [`The answer is ${said}.`, `The answer is $${said}$.`, `The answer is \\boxed{${said}}.`];
}

/** The final sentence alone; null when extractAnswer gets the answer from no form of it. */
export function answerSentence(question: Question, answer: string): string | null {
  return answerSentences(question, answer).find((text) => reads(question, text, answer)) ?? null;
}

function withoutAnnouncement(question: Question, reasoning: string, answer: string): string {
  let rest = reasoning;
  for (let times = 0; times < MOST_ANNOUNCEMENTS; times++) {
    const found = ANNOUNCEMENT.exec(rest);
    if (found === null || !reads(question, found[0], answer)) break;
    rest = rest.slice(0, found.index).trimEnd();
  }
  return rest;
}

function reads({ task, choices }: Question, text: string, answer: string): boolean {
  const context: { choices: readonly Choice[] | null } = { choices };
  const read = extractAnswer(task, text, context);
  return read !== null && answersEqual(task, read, answer, context);
}
