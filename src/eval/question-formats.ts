// Parses one record of a question file, in magdi's own format or as each benchmark is published.

import { findBoxed } from "../answers/markers.ts";
import { type Choice, MOST_CHOICES, type Task } from "../answers/task.ts";
import { isObject, type JsonObject, shown } from "../base/files/json-file.ts";
import { type DatasetInfo, knownDataset } from "./datasets.ts";

/** What a record says; the file adds the rest. */
export type RecordQuestion = Omit<Question, "dataset" | "task" | "id"> & { readonly id: string | null };

export interface QuestionFormat {
  readonly name: string;
  /** The data set with this format; null for a format that several share. */
  readonly dataset: string | null;
  /** Whether a record has this format. */
  holds(fields: JsonObject): boolean;
  /** @throws WrongRecord */
  read(fields: JsonObject): RecordQuestion;
}

/** Why a record is not a question; the reader adds its place. */
export class WrongRecord extends Error {}

const plain = { choices: null, passage: null };

/** From the most specific to the least: the first that matches a record reads it. */
export const QUESTION_FORMATS: readonly QuestionFormat[] = [
  {
    name: "CommonsenseQA and ARC as published",
    dataset: null,
    holds: ({ question, answerKey }) => isObject(question) && answerKey !== undefined,
    read(fields) {
      const { stem, choices } = isObject(fields.question) ? fields.question : {};
      return withLabel(
        { ...plain, id: idOf(fields.id), question: text(stem, "question.stem"), choices: choicesOf(choices) },
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
          id: idOf(fields.id),
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
      const read = {
        ...plain,
        id: idOf(fields.id),
        question: text(fields.question, "question"),
        passage: (fields.passage ?? null) === null ? null : text(fields.passage, "passage"),
        choices: (fields.choices ?? null) === null ? null : choicesOf(fields.choices),
      };
      const answer =
        typeof fields.answer === "number" ? String(fields.answer) : text(fields.answer, "answer");
      return read.choices === null ? { ...read, gold: answer } : withLabel(read, answer);
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

function idOf(value: unknown): string | null {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : null;
}

function choicesOf(value: unknown): Choice[] {
  if (!Array.isArray(value) || value.length < 2) {
    throw new WrongRecord(`choices: expected two or more, found ${shown(value)}`);
  }
  if (value.length > MOST_CHOICES) {
    throw new WrongRecord(`choices: expected at most ${MOST_CHOICES}, found ${value.length}`);
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
}
