// Settings as a Zod object describes them: each key's flag, environment variable, type, default and help.

import { z } from "zod";
import { type SettingFacts, settingFacts } from "./kinds.ts";

export type SettingType = "text" | "number" | "integer" | "boolean" | "one of" | "list" | "bare flag";

export interface Setting {
  readonly key: string;
  /** Null for a secret, which has neither a flag nor a key in a file. */
  readonly flag: string | null;
  readonly variable: string;
  readonly type: SettingType;
  readonly description: string;
  /** The values it takes, as errors say it after "expected". */
  readonly expected: string;
  /** Undefined if there is none. */
  readonly default: unknown;
  readonly facts: SettingFacts;
}

/** In the order of the schema. */
export function settingsOf(schema: z.ZodObject): readonly Setting[] {
  return Object.entries(schema.shape as Readonly<Record<string, z.ZodType>>).map(([key, one]) => {
    const layers = layersOf(one);
    const facts = Object.assign({}, ...layers.map((layer) => settingFacts.get(layer)));
    return {
      key,
      flag: facts.secret ? null : flagOf(key),
      variable: variableOf(key),
      type: typeOf(one),
      description: layers.find(({ description }) => description !== undefined)?.description ?? "",
      // The error for a value that no setting accepts.
      expected: one.safeParse({}).error?.issues[0]?.message ?? "",
      default: one.safeParse(undefined).data,
      facts,
    };
  });
}

/** learningRate, learning_rate → learning-rate */
export function flagOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll("_", "-");
}

/** learningRate → MAGDI_LEARNING_RATE */
export function variableOf(key: string): string {
  return `MAGDI_${flagOf(key).replaceAll("-", "_").toUpperCase()}`;
}

/** A schema and the schemas inside its defaults, nullables, optionals and transforms, outermost first. */
function layersOf(schema: z.ZodType): z.ZodType[] {
  const inner =
    schema instanceof z.ZodPipe
      ? schema.in
      : schema instanceof z.ZodDefault ||
          schema instanceof z.ZodNullable ||
          schema instanceof z.ZodOptional ||
          schema instanceof z.ZodExactOptional
        ? schema.unwrap()
        : null;
  return inner === null ? [schema] : [schema, ...layersOf(inner as z.ZodType)]; // typed as zod's core type
}

export function typeOf(schema: z.ZodType): SettingType {
  const written = layersOf(schema).at(-1);
  if (written instanceof z.ZodNumber) return written.isInt ? "integer" : "number";
  if (written instanceof z.ZodBoolean) return "boolean";
  if (written instanceof z.ZodEnum) return "one of";
  if (written instanceof z.ZodArray) return "list";
  return written instanceof z.ZodLiteral ? "bare flag" : "text";
}

/** Accepts a fraction too, so that the error shows a number. */
const WHOLE = /^-?\d+(\.\d+)?$/;
const DECIMAL = /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A flag's or variable's text as a value of the setting's type; unchanged if it is none, for the schema to reject. */
export function fromText(schema: z.ZodType, given: string): unknown {
  switch (typeOf(schema)) {
    case "integer":
      return WHOLE.test(given.trim()) ? Number(given) : given;
    case "number":
      return DECIMAL.test(given.trim()) ? Number(given) : given;
    case "boolean":
      return given === "true" ? true : given === "false" ? false : given;
    case "list":
      return given === "" ? [] : given.split(",").map((part) => part.trim());
    default:
      return given;
  }
}

/** Empty without a default. */
export function shownDefault({ default: value }: Pick<Setting, "default">): string {
  return Array.isArray(value) ? value.join(",") : String(value ?? "");
}

const PLACEHOLDERS: Readonly<Record<SettingType, string>> = {
  text: "TEXT",
  number: "X",
  integer: "N",
  boolean: "VALUE",
  "one of": "NAME",
  list: "LIST",
  "bare flag": "",
};
export const HELP_COLUMN = 28;

/** One line per line of each setting's description; `placeholder` replaces every value's own. */
export function helpLines(schema: z.ZodObject, placeholder?: string): string {
  const lines = settingsOf(schema).map((setting) => {
    const { flag, variable, type, description, facts } = setting;
    const value = placeholder ?? facts.placeholder ?? PLACEHOLDERS[type];
    const name = flag === null ? `${variable} (no flag)` : `--${flag} ${type === "bare flag" ? "" : value}`;
    const shown = shownDefault(setting);
    const suffix = shown === "" ? "" : ` (default ${shown})`;
    const [first = "", ...more] = description.split("\n");
    const rest = more.map((line) => `\n${" ".repeat(HELP_COLUMN + 3)}${line}`);
    return `  ${name.padEnd(HELP_COLUMN)} ${first}${suffix}${rest.join("")}`;
  });
  return lines.join("\n");
}
