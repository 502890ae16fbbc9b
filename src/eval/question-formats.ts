// Parses one record of a question file, in magdi's own format or as each benchmark is published.

import { findBoxed } from "../answers/markers.ts";
import type { Choice, Task } from "../answers/task.ts";
import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { CHOICE_FORMATS } from "./choice-formats.ts";
import { type DatasetInfo, knownDataset } from "./datasets.ts";
import { choicesOf, type Gold, goldOf, idOf, number, text, WrongRecord, yesNo } from "./record-fields.ts";

/** What a record says; the file adds the rest. */
export type RecordQuestion = Omit<Question, "dataset" | "task" | "id" | "gold" | "explanation" | "use"> & {
  readonly id: string | null;
  readonly gold: Gold;
};

export interface QuestionFormat {
  readonly name: string;
  /** The data set with this format; null for a format that several share. */
  readonly dataset: string | null;
  /** Whether a record has this format. */
  holds(fields: JsonObject): boolean;
  /** @throws WrongRecord */
  read(fields: JsonObject): RecordQuestion;
}

const plain = { choices: null, passage: null };

/** From the most specific to the least: the first that matches a record reads it. */
export const QUESTION_FORMATS: readonly QuestionFormat[] = [
  {
    name: "CommonsenseQA and ARC as published",
    dataset: null,
    holds: ({ question, answerKey }) => isObject(question) && answerKey !== undefined,
    read(fields) {
      const { stem, choices } = isObject(fields.question) ? fields.question : {};
      const read = choicesOf(choices);
      return {
        ...plain,
        id: idOf(fields.id),
        question: text(stem, "question.stem"),
        choices: read,
        gold: goldOf(read, fields.answerKey, "answerKey"),
      };
    },
  },
  {
    name: "CommonsenseQA and ARC as Hugging Face has them",
    dataset: null,
    holds: ({ choices, answerKey }) => isObject(choices) && answerKey !== undefined,
    read(fields) {
      const { text: texts, label: labels } = isObject(fields.choices) ? fields.choices : {};
      const choices = choicesOf(
        (Array.isArray(texts) && Array.isArray(labels) ? texts : []).map((choice: unknown, index) => ({
          text: choice,
          label: (labels as unknown[])[index],
        })),
      );
      // OpenBookQA names the question by its stem.
      const [field, stem] =
        fields.question === undefined
          ? ["question_stem", fields.question_stem]
          : ["question", fields.question];
      return {
        ...plain,
        id: idOf(fields.id),
        question: text(stem, field),
        choices,
        gold: goldOf(choices, fields.answerKey, "answerKey"),
      };
    },
  },
  ...CHOICE_FORMATS,
  {
    name: "SuperGLUE's BoolQ",
    dataset: "boolq",
    holds: ({ passage, label, answer }) =>
      typeof passage === "string" && label !== undefined && answer === undefined,
    read: (fields) => ({
      ...plain,
      id: null,
      question: text(fields.question, "question"),
      passage: text(fields.passage, "passage"),
      gold: yesNo(fields.label, "label"),
    }),
  },
  {
    name: "SVAMP as published",
    dataset: "svamp",
    holds: (fields) => "Body" in fields && "Question" in fields,
    read: (fields) => ({
      ...plain,
      id: idOf(fields.ID),
      question: `${text(fields.Body, "Body")
        .trim()
        .replace(/[^.?!,]$/, "$&.")} ${text(fields.Question, "Question").trim()}`,
      gold: number(fields.Answer, "Answer"),
    }),
  },
  {
    name: "MATH as published",
    dataset: "math",
    holds: (fields) => "problem" in fields && "solution" in fields,
    read(fields) {
      const solution = text(fields.solution, "solution");
      const answer =
        typeof fields.answer === "string" && fields.answer !== ""
          ? fields.answer
          : findBoxed(solution).at(-1)?.content;
      if (answer === undefined || answer.trim() === "")
        throw new WrongRecord("solution: expected an answer in \\boxed{…}, found none");
      return {
        ...plain,
        id: idOf(fields.unique_id),
        question: text(fields.problem, "problem"),
        gold: answer,
      };
    },
  },
  {
    name: "BIG-bench's StrategyQA",
    dataset: "strategyqa",
    holds: (fields) => "input" in fields && isObject(fields.target_scores),
    read(fields) {
      const scores = isObject(fields.target_scores) ? fields.target_scores : {};
      return {
        ...plain,
        id: null,
        question: text(fields.input, "input"),
        gold: yesNo(scores.Yes === 1, "target_scores.Yes"),
      };
    },
  },
  {
    name: "GSM8K as published",
    dataset: "gsm8k",
    holds: ({ question, answer }) =>
      typeof question === "string" && typeof answer === "string" && /####/.test(answer),
    read: (fields) => ({
      ...plain,
      id: idOf(fields.id),
      question: text(fields.question, "question"),
      gold: number(text(fields.answer, "answer").split("####").at(-1)?.trim(), "answer after ####"),
    }),
  },
  {
    name: "StrategyQA and BoolQ as published",
    dataset: null,
    holds: ({ question, answer }) => typeof question === "string" && typeof answer === "boolean",
    read: (fields) => ({
      ...plain,
      id: idOf(fields.qid ?? fields.id),
      question: text(fields.question, "question"),
      passage: fields.passage === undefined ? null : text(fields.passage, "passage"),
      gold: yesNo(fields.answer, "answer"),
    }),
  },
  {
    name: "one layout for all: {id, question, choices?, passage?, answer}",
    dataset: null,
    holds: () => true,
    read(fields) {
      const choices = (fields.choices ?? null) === null ? null : choicesOf(fields.choices);
      const { answer } = fields;
      return {
        ...plain,
        id: idOf(fields.id),
        question: text(fields.question, "question"),
        passage: (fields.passage ?? null) === null ? null : text(fields.passage, "passage"),
        choices,
        gold:
          choices !== null
            ? goldOf(choices, answer, "answer")
            : typeof answer === "number"
              ? String(answer)
              : text(answer, "answer"),
      };
    },
  },
];

/** File names that name a split, not a data set. */
const SPLIT = /^(?:dev|test|train|val(?:id(?:ation)?)?)(?:$|[-_.])/i;

/** The data set that the format, the record's id or the file's name tells; null if none does. */
export function datasetOf(format: QuestionFormat, fields: JsonObject, fileName: string): DatasetInfo | null {
  const told = [format.dataset, fields.dataset, idOf(fields.id), fileName];
  // Both BoolQ and StrategyQA publish files called dev and train: the fields tell them apart.
  if (typeof fields.answer === "boolean")
    told.unshift("passage" in fields ? "boolq" : "qid" in fields ? "strategyqa" : null);
  const concept = isObject(fields.question) ? fields.question : fields;
  if ("answerKey" in fields && "question_concept" in concept) told.push("csqa");
  else if ("answerKey" in fields && SPLIT.test(fileName) && !isOpenBook(fields)) told.push("arc-challenge");
  for (const name of told) {
    const known = typeof name === "string" ? knownDataset(name) : null;
    if (known !== null) return known;
  }
  return null;
}

/** OpenBookQA has ARC's layout, and ids such as 7-980. */
function isOpenBook({ id, question_stem: stem }: JsonObject): boolean {
  return stem !== undefined || /^\d+-\d+$/.test(String(id));
}

export interface Question {
  readonly dataset: string;
  /** Unique within its data set. */
  readonly id: string;
  readonly task: Task;
  readonly question: string;
  readonly choices: readonly Choice[] | null;
  readonly passage: string | null;
  /** A choice's label, yes or no, a number, an expression in LaTeX, or words. */
  readonly gold: string;
  /** Why it is right, as people wrote it; absent where the record does not say. */
  readonly explanation?: string;
  /** What it is for, as the record names it; absent where it names nothing. */
  readonly use?: string;
}
