// The layouts of published multiple-choice benchmarks that name the right choice by its place, each counted as its data
// set counts.

import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { choicesOf, idOf, labelAt, text } from "./record-fields.ts";

interface ChoiceLayout {
  readonly name: string;
  /** The fields that tell it. */
  readonly fields: readonly string[];
  question(fields: JsonObject): string;
  /** The choices' texts, which are called A, B, … */
  choices(fields: JsonObject): readonly unknown[];
  readonly answer: string;
  /** What the first choice is called in the field of the answer. */
  readonly first: 0 | 1;
  readonly id?: string;
}

const several = (fields: JsonObject, names: readonly string[]) =>
  names.map((name) => text(fields[name], name));
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const LAYOUTS: readonly ChoiceLayout[] = [
  {
    name: "PIQA",
    fields: ["goal", "sol1", "sol2", "label"],
    question: ({ goal }) => text(goal, "goal"),
    choices: (fields) => several(fields, ["sol1", "sol2"]),
    answer: "label",
    first: 0,
  },
  {
    name: "HellaSwag",
    fields: ["ctx", "endings", "label"],
    question: ({ ctx }) => text(ctx, "ctx"),
    choices: ({ endings }) => listOf(endings),
    answer: "label",
    first: 0,
    id: "ind",
  },
  {
    name: "COPA in SuperGLUE",
    fields: ["premise", "choice1", "choice2", "label"],
    question: ({ premise, question }) =>
      `${text(premise, "premise")} ${question === "cause" ? "What was the cause of this?" : "What happened as a result?"}`,
    choices: (fields) => several(fields, ["choice1", "choice2"]),
    answer: "label",
    first: 0,
    id: "idx",
  },
  {
    name: "MMLU",
    fields: ["subject", "question", "choices", "answer"],
    question: ({ question }) => text(question, "question"),
    choices: ({ choices }) => listOf(choices),
    answer: "answer",
    first: 0,
  },
  {
    name: "WinoGrande",
    fields: ["sentence", "option1", "option2", "answer"],
    question: ({ sentence }) => text(sentence, "sentence"),
    choices: (fields) => several(fields, ["option1", "option2"]),
    answer: "answer",
    first: 1,
    id: "qID",
  },
  {
    name: "Social IQa",
    fields: ["context", "question", "answerA", "answerB", "answerC", "label"],
    question: ({ context, question }) => `${text(context, "context")} ${text(question, "question")}`,
    choices: (fields) => several(fields, ["answerA", "answerB", "answerC"]),
    answer: "label",
    first: 1,
  },
];

/** As question-formats.ts has them. */
export const CHOICE_FORMATS = LAYOUTS.map((layout) => ({
  name: layout.name,
  dataset: null,
  holds: (fields: JsonObject): boolean =>
    layout.fields.every((name) => name in fields) &&
    // MMLU is also written with letters, as one layout for all.
    (layout.name !== "MMLU" || /^\d$/.test(String(fields.answer))) &&
    !listOf(fields.choices).some(isObject),
  read(fields: JsonObject) {
    const choices = choicesOf(layout.choices(fields));
    return {
      id: layout.id === undefined ? null : idOf(fields[layout.id]),
      passage: null,
      question: layout.question(fields),
      choices,
      gold: labelAt(choices, fields[layout.answer], layout.first, layout.answer),
    };
  },
}));
