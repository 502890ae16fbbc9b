// What is done with each field of a foreign file: honoured, ignored since it changes nothing, or refused. It knows no file
// format.

import { isDeepStrictEqual } from "node:util";
import type { JsonObject } from "./files/json-file.ts";

export interface KnownField {
  /** Several of one meaning are separated by commas; "a.*" are all that begin with "a.". */
  readonly names: string;
  readonly treatment: "honoured" | "ignored" | "refused";
  /** What it decides, why it changes nothing, or what is missing to honour it. */
  readonly about: string;
  /** Besides null, the values with which a refused field changes nothing. */
  readonly neutral?: readonly unknown[];
}

export interface Examination {
  /** Each refused field with its value and what is missing. */
  readonly refused: readonly string[];
  /** Fields that are not in the table, in the file's order. */
  readonly unknown: readonly string[];
}

/** Looks up every field of `json` that is not null. Names that begin with "_" are private to the writer. */
export function examine(json: JsonObject, fields: readonly KnownField[], prefix = ""): Examination {
  const known = new Map(fields.flatMap((field) => namesOf(field).map((name) => [name, field] as const)));
  const groups = [...known].flatMap(([name, field]) =>
    name.endsWith(".*") ? [[name.slice(0, -1), field] as const] : [],
  );
  const refused: string[] = [];
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (value === null || value === undefined || name.startsWith("_")) continue;
    const field = known.get(name) ?? groups.find(([start]) => name.startsWith(start))?.[1];
    if (field === undefined) unknown.push(prefix + plainName(name));
    else if (field.treatment === "refused" && !isNeutral(value, field)) {
      refused.push(`${prefix}${plainName(name)} ${shortJson(value)} (${field.about})`);
    }
  }
  return { refused, unknown };
}

export const namesOf = ({ names }: KnownField): string[] => names.split(", ");

function isNeutral(value: unknown, { neutral = [] }: KnownField): boolean {
  return neutral.some((one) => isDeepStrictEqual(one, value));
}

/** JSON of at most 60 characters; GGUF files have whole numbers beyond those of JSON. */
function shortJson(value: unknown): string {
  const text = JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? String(inner) : inner));
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}

/** A name for a terminal, which a file can make of anything. */
const plainName = (name: string): string => (/^[\w.-]{1,80}$/.test(name) ? name : shortJson(name));

/** The sentence that names unknown fields, or nothing. */
export function unknownFieldsNote(where: string, unknown: readonly string[]): string[] {
  if (unknown.length === 0) return [];
  const names =
    unknown.slice(0, 20).join(", ") + (unknown.length > 20 ? ` and ${unknown.length - 20} more` : "");
  return [`${where} has fields that are not known here and were not read, though they may matter: ${names}.`];
}
