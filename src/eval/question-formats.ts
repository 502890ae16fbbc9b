// What one record of a question file looks like, in our layout and as each benchmark is published. It reads no file.

import { findBoxed } from "../answers/markers.ts";
import type { Choice } from "../answers/task.ts";
import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { type DatasetInfo, knownDataset } from "./datasets.ts";
import type { Question } from "./question.ts";

/** What a record says; the rest is the file's business. */
export type RecordQuestion = Omit<Question, "dataset" | "task" | "id"> & { readonly id: string | null };

export interface QuestionFormat {
  readonly name: string;
  /** The data set whose files look like this; null for a layout that all have in common. */
  readonly dataset: string | null;
  /** Whether a record looks like one of this format. */
  holds(fields: JsonObject): boolean;
  /** @throws WrongRecord saying what is wrong with it */
  read(fields: JsonObject): RecordQuestion;
}

/** Why a record is no question; the reader adds where it stands. */
export class WrongRecord extends Error {}

const plain = { choices: null, passage: null };

/** From the most telling to the least: the first that holds a record reads it. */
export const QUESTION_FORMATS: readonly QuestionFormat[] = [
  {
    name: "CommonsenseQA and ARC as published",
    dataset: null,
    holds: ({ question, answerKey }) => isObject(question) && answerKey !== undefined,
    read(fields) {
      const { stem, choices } = isObject(fields.question) ? fields.question : {};
      return withLabel(
        { ...plain, ...ids(fields), question: text(stem, "question.stem"), choices: choicesOf(choices) },
        text(fields.answerKey, "answerKey"),
      );
    },
  },
  {
    name: "CommonsenseQA and ARC as Hugging Face has them",
    dataset: null,
    holds: ({ choices, answerKey }) => isObject(choices) && answerKey !== undefined,
    read(fields) {
      const { text: texts, label: labels } = isObject(fields.choices) ? fields.choices : {};
      const choices = Array.isArray(texts) && Array.isArray(labels) ? texts : [];
      return withLabel(
        {
          ...plain,
          ...ids(fields),
          question: text(fields.question, "question"),
          choices: choicesOf(
            choices.map((choice: unknown, index) => ({ text: choice, label: (labels as unknown[])[index] })),
          ),
        },
        text(fields.answerKey, "answerKey"),
      );
    },
  },
  {
    name: "SuperGLUE's BoolQ",
    dataset: "boolq",
    holds: ({ passage, label }) => typeof passage === "string" && typeof label === "boolean",
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
      ...ids(fields),
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
      const read = {
        ...plain,
        ...ids(fields),
        question: text(fields.question, "question"),
        passage:
          fields.passage === undefined || fields.passage === null ? null : text(fields.passage, "passage"),
        choices: fields.choices === undefined || fields.choices === null ? null : choicesOf(fields.choices),
      };
      const answer =
        typeof fields.answer === "number" ? String(fields.answer) : text(fields.answer, "answer");
      return read.choices === null ? { ...read, gold: answer } : withLabel(read, answer);
    },
  },
];

/** Files that are called by what they are for, not by what they hold. */
const SPLIT = /^(?:dev|test|train|val(?:id(?:ation)?)?)(?:$|[-_.])/i;

/** The data set that a format, a file's name or a record's id names; null when none does. */
export function datasetOf(format: QuestionFormat, fields: JsonObject, fileName: string): DatasetInfo | null {
  const told = [format.dataset, fields.dataset, idOf(fields.id), fileName];
  // BoolQ's published records have a passage, StrategyQA's a qid: their files are called dev and train alike.
  if (typeof fields.answer === "boolean")
    told.unshift("passage" in fields ? "boolq" : "qid" in fields ? "strategyqa" : null);
  const concept = isObject(fields.question) ? fields.question : fields;
  if ("answerKey" in fields && "question_concept" in concept) told.push("csqa");
  else if ("answerKey" in fields && SPLIT.test(fileName)) told.push("arc-challenge");
  for (const name of told) {
    const known = typeof name === "string" ? knownDataset(name) : null;
    if (known !== null) return known;
  }
  return null;
}

function text(value: unknown, field: string): string {
  if (typeof value === "string" && value.trim() !== "") return value;
  throw new WrongRecord(`${field}: expected a text, found ${shown(value)}`);
}

function number(value: unknown, field: string): string {
  const written = typeof value === "number" ? String(value) : text(value, field);
  const bare = written.replace(/[,$%\s]/g, "").replace(/\.0+$/, "");
  if (/^-?(?:\d+(?:\.\d+)?|\.\d+|\d+\/\d+)$/.test(bare)) return bare;
  throw new WrongRecord(`${field}: expected a number, found ${shown(value)}`);
}

function yesNo(value: unknown, field: string): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  throw new WrongRecord(`${field}: expected true or false, found ${shown(value)}`);
}

function ids(fields: JsonObject): { id: string | null } {
  return { id: idOf(fields.id) };
}

function idOf(value: unknown): string | null {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : null;
}

function choicesOf(value: unknown): Choice[] {
  if (!Array.isArray(value) || value.length < 2) {
    throw new WrongRecord(`choices: expected two or more, found ${shown(value)}`);
  }
  const choices = value.map((item: unknown, index) => {
    if (typeof item === "string") return { label: String.fromCharCode(65 + index), text: item };
    const { label, text: words } = isObject(item) ? item : {};
    return { label: text(label, `choices[${index}].label`), text: text(words, `choices[${index}].text`) };
  });
  if (new Set(choices.map(({ label }) => label)).size < choices.length) {
    throw new WrongRecord("choices: expected labels that differ, found one twice");
  }
  return choices;
}

function withLabel<T extends { readonly choices: readonly Choice[] | null }>(
  question: T,
  answer: string,
): T & { gold: string } {
  const label = question.choices?.find(
    (choice) => choice.label.toLowerCase() === answer.trim().toLowerCase(),
  )?.label;
  if (label !== undefined) return { ...question, gold: label };
  throw new WrongRecord(`answer: expected a choice's label, found ${shown(answer)}`);
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value)).slice(0, 60);
}
