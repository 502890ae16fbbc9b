// What one schema of settings gives: each setting's names in the places it can come from, its type, its help. A setting
// is a key of a Zod object, with its default and its description there.

import { z } from "zod";
import { type SettingFacts, settingFacts } from "./kinds.ts";

export type SettingType = "text" | "number" | "integer" | "boolean" | "one of" | "list" | "bare flag";

export interface Setting {
  readonly key: string;
  /** Null for a secret, which is neither a flag nor a key of a file. */
  readonly flag: string | null;
  readonly variable: string;
  readonly type: SettingType;
  readonly description: string;
  /** The values it takes, in words. */
  readonly expected: string;
  /** Undefined where there is none. */
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
      // As the error of a value that no setting takes has it.
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

/** A schema and what it wraps: defaults, null and transforms around the values that are written. */
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
  return inner === null ? [schema] : [schema, ...layersOf(inner as z.ZodType)]; // Zod types it as its core's
}

export function typeOf(schema: z.ZodType): SettingType {
  const written = layersOf(schema).at(-1);
  if (written instanceof z.ZodNumber) return written.isInt ? "integer" : "number";
  if (written instanceof z.ZodBoolean) return "boolean";
  if (written instanceof z.ZodEnum) return "one of";
  if (written instanceof z.ZodArray) return "list";
  return written instanceof z.ZodLiteral ? "bare flag" : "text";
}

/** A fraction is let through, for its error to show a number. */
const WHOLE = /^-?\d+(\.\d+)?$/;
const DECIMAL = /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A flag's or variable's text as the setting's type; as it is where it is nothing of the kind, for the schema to refuse. */
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

/** Empty where there is nothing to show. */
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

/** A line for each setting, and more where a description has several; `placeholder` stands for every value. */
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
