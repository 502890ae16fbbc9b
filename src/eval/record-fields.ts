// Reads the fields of one record of a question file: texts, numbers, yes or no, choices, and which choice is right. It knows
// no benchmark's layout.

import { type Choice, MOST_CHOICES } from "../answers/task.ts";
import { isObject, shown } from "../base/files/json-file.ts";

/** Why a record is not a question; the reader adds its place. */
export class WrongRecord extends Error {}

/** The right choice by its place in a list, which counts from 0 or from 1 as the rest of the file tells. */
export interface Place {
  readonly place: number;
  readonly field: string;
}

export type Gold = string | Place;

export function text(value: unknown, field: string): string {
  if (typeof value === "string" && value.trim() !== "") return value;
  throw new WrongRecord(`${field}: expected a text, found ${shown(value)}`);
}

export function number(value: unknown, field: string): string {
  const written = typeof value === "number" ? String(value) : text(value, field);
  // The full stop of a sentence may follow, and emphasis stand around it.
  const bare = written
    .replace(/[,$%*\s]/g, "")
    .replace(/^−/, "-")
    .replace(/\.$/, "")
    .replace(/\.0+$/, "");
  if (/^-?(?:\d+(?:\.\d+)?|\.\d+|\d+\/\d+)$/.test(bare)) return bare;
  throw new WrongRecord(`${field}: expected a number, found ${shown(value)}`);
}

/** Of true or false, 1 or 0 as a label, and either as a text. */
export function yesNo(value: unknown, field: string): string {
  const word = String(value).trim().toLowerCase();
  if (/^(?:true|yes|1)$/.test(word)) return "yes";
  if (/^(?:false|no|0)$/.test(word)) return "no";
  throw new WrongRecord(`${field}: expected true or false, 1 or 0, found ${shown(value)}`);
}

export function idOf(value: unknown): string | null {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : null;
}

export function choicesOf(value: unknown): Choice[] {
  if (!Array.isArray(value) || value.length < 2) {
    throw new WrongRecord(`choices: expected two or more, found ${shown(value)}`);
  }
  if (value.length > MOST_CHOICES) {
    throw new WrongRecord(`choices: expected at most ${MOST_CHOICES}, found ${value.length}`);
  }
  const choices = value.map((item: unknown, index) => {
    if (typeof item === "string") return { label: String.fromCharCode(65 + index), text: item };
    const { label, text: words } = isObject(item) ? item : {};
    return {
      label: text(typeof label === "number" ? String(label) : label, `choices[${index}].label`),
      text: text(words, `choices[${index}].text`),
    };
  });
  if (new Set(choices.map(({ label }) => label)).size < choices.length) {
    throw new WrongRecord("choices: expected labels that differ, found one twice");
  }
  return choices;
}

/**
 * The right choice that a record names by its label or its text, or by a place that only the file's other records tell.
 * @throws WrongRecord
 */
export function goldOf(choices: readonly Choice[], value: unknown, field: string): Gold {
  const answer = typeof value === "number" ? String(value) : text(value, field).trim();
  const label = choices.find((choice) => choice.label.toLowerCase() === answer.toLowerCase())?.label;
  if (label !== undefined) return label;
  const [named, another] = choices.filter((choice) => choice.text.trim() === answer);
  const isPlace = /^\d{1,4}$/.test(answer) && Number(answer) <= choices.length;
  if (named !== undefined && another === undefined && !isPlace) return named.label;
  if (named === undefined && isPlace) return { place: Number(answer), field };
  throw new WrongRecord(`${field}: expected a choice's label, found ${shown(value)}`);
}

/** The label of the choice at a place that counts from `first`. @throws WrongRecord */
export function labelAt(choices: readonly Choice[], value: unknown, first: 0 | 1, field: string): string {
  const written = typeof value === "number" ? String(value) : text(value, field).trim();
  const choice = /^\d{1,4}$/.test(written) ? choices[Number(written) - first] : undefined;
  if (choice !== undefined) return choice.label;
  const range = `${first} to ${choices.length - 1 + first}`;
  throw new WrongRecord(`${field}: expected the place of a choice, ${range}, found ${shown(value)}`);
}
