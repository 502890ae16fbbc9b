// The questions of a file that records without one are joined with, by their ids or by their places, and how a record's
// own answers are held against them.

import { canonicalAnswer } from "../answers/answer.ts";
import type { Choice, Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { isObject } from "../base/files/json-file.ts";
import { labelledChoices } from "./imported-choices.ts";
import type { Use } from "./mag-schema.ts";
import { questionKey } from "./question-split.ts";

export interface JoinedQuestion {
  readonly dataset: string;
  readonly id: string;
  readonly task: Task;
  readonly question: string;
  readonly choices: readonly Choice[] | null;
  readonly passage: string | null;
  readonly gold: string;
  /** Null where the file does not say. */
  readonly use: Use | null;
}

export const JOINS = {
  id: "by the record's id or question_id",
  position: "the first record with the first question, and so on",
} as const;
export type JoinBy = keyof typeof JOINS;

/** @throws MAGDI_BAD_FILE */
export type Join = (record: unknown, index: number, where: string) => JoinedQuestion;

export class JoinedQuestions {
  readonly by: JoinBy;
  readonly #questions: readonly JoinedQuestion[];

  constructor(questions: readonly JoinedQuestion[], by: JoinBy) {
    this.#questions = questions;
    this.by = by;
  }

  /** For the records of one file. */
  join(): Join {
    return this.by === "id" ? this.#byId() : (_, index, where) => this.#at(index, where);
  }

  #at(index: number, where: string): JoinedQuestion {
    const question = this.#questions[index];
    if (question !== undefined) return question;
    const expected = `expected at most ${this.#questions.length} records, one for each question of --questions`;
    throw new MagdiError("MAGDI_BAD_FILE", `${where}: ${expected}, found record ${index + 1}`);
  }

  #byId(): Join {
    const byId = new Map<string, JoinedQuestion[]>();
    for (const question of this.#questions)
      byId.set(question.id, [...(byId.get(question.id) ?? []), question]);
    const before = new Map<string, string>();
    return (record, _, where) => {
      const id = idOf(record);
      const wrong = (expected: string) =>
        new MagdiError("MAGDI_BAD_FILE", `${where}: id: expected ${expected}`);
      if (id === null) {
        throw wrong(
          "that of a question of --questions, found none; if record and question stand in the same places, say --questions-by position",
        );
      }
      const [question, another] = byId.get(id) ?? [];
      if (question === undefined) throw wrong(`that of a question of --questions, found ${id}`);
      if (another !== undefined) {
        throw wrong(
          `that of one question of --questions, found ${id}, which ${question.dataset} and ${another.dataset} have`,
        );
      }
      const first = before.get(id);
      if (first !== undefined) throw wrong(`each record's own, found ${id}, which ${first} has`);
      before.set(id, where);
      return question;
    };
  }
}

function idOf(record: unknown): string | null {
  if (!isObject(record)) return null;
  const id = record.id ?? record.question_id;
  return (typeof id === "string" && id !== "") || typeof id === "number" ? String(id) : null;
}

/**
 * A question's choices and right answer as a record writes them: ReConcile counts choices from 1 where a data set has
 * letters. @throws MAGDI_BAD_FILE when the record's right answer, or its question, is another one
 */
export function joinedGold(
  { question, gold }: { readonly question: string | undefined; readonly gold: string | undefined },
  joined: JoinedQuestion,
  where: string,
): Pick<JoinedQuestion, "choices" | "gold"> {
  const other = (field: string, expected: string, found: string) =>
    new MagdiError(
      "MAGDI_BAD_FILE",
      `${where}: ${field}: expected that of question ${joined.id}, ${JSON.stringify(expected)}, found ${JSON.stringify(found)}; are --questions the questions of this file?`,
    );
  if (question !== undefined && questionKey({ question }) !== questionKey(joined)) {
    throw other("question", joined.question, question);
  }
  const { task, choices } = joined;
  const isSame = (key: string | null) =>
    key !== null && key === canonicalAnswer(task, joined.gold, { choices });
  if (gold === undefined || isSame(canonicalAnswer(task, gold, { choices })))
    return { choices, gold: joined.gold };
  if (choices !== null) {
    const renamed =
      labelledChoices(
        choices.map(({ text }) => text),
        gold,
        where,
      ) ?? [];
    const place = renamed.findIndex(({ label }) => label === gold.trim());
    if (choices[place]?.label === joined.gold) return { choices: renamed, gold };
  }
  throw other("gold_answer", joined.gold, gold);
}
