// Reads a JSON file, and checks JSON against a schema with one error that names every wrong field.

import { existsSync } from "node:fs";
import type { z } from "zod";
import { MagdiError } from "../errors.ts";
import { isDeeperThan, MOST_JSON_DEPTH } from "../json-depth.ts";
import { type FileLimits, readRegularText } from "./regular-file.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws MAGDI_FILE_MISSING when it is not there, MAGDI_BAD_FILE when it cannot be read or is not JSON */
export function readJson(file: string, expected = "a JSON file", limits: FileLimits = {}): unknown {
  let text: string;
  try {
    text = readRegularText(file, limits);
  } catch (cause) {
    if (cause instanceof MagdiError && cause.code !== "MAGDI_FILE_MISSING") throw cause;
    const message = `${file}: expected ${expected}, found none that can be read`;
    throw new MagdiError("MAGDI_FILE_MISSING", message, { cause });
  }
  return parseJson(text, file, expected);
}

/** @throws MAGDI_BAD_FILE when the text is not JSON, or nests too deep for what walks over it; `where` is named in errors */
export function parseJson(text: string, where: string, expected = "JSON"): unknown {
  if (isDeeperThan(text)) {
    const message = `${where}: expected ${expected} that nests at most ${MOST_JSON_DEPTH} deep, found more`;
    throw new MagdiError("MAGDI_BAD_FILE", message);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `${where}: expected ${expected}, found text that is not JSON: ${String(cause)}`;
    throw new MagdiError("MAGDI_BAD_FILE", message, { cause });
  }
}

/** @throws as readJson, and MAGDI_BAD_FILE when the value is not an object */
export function readJsonObject(
  file: string,
  expected = "a JSON object",
  limits: FileLimits = {},
): JsonObject {
  const value = readJson(file, expected, limits);
  if (isObject(value)) return value;
  throw new MagdiError("MAGDI_BAD_FILE", `${file}: expected ${expected}, found ${shown(value)}`);
}

/** An empty object when there is no such file. @throws as readJsonObject */
export function readJsonObjectIfThere(file: string, limits: FileLimits = {}): JsonObject {
  return existsSync(file) ? readJsonObject(file, undefined, limits) : {};
}

const MAX_PROBLEMS = 8;
const MAX_SHOWN = 60;

/**
 * `value` parsed by `schema`.
 * @throws MAGDI_BAD_FILE: `where`, then for each wrong field its path, what was expected and what was found
 * @example checked(magSchema, record, "mags.jsonl:7")
 *   // mags.jsonl:7: nodes.0.label: expected 1 or 0, found "right"; gold: expected text, found nothing
 */
export function checked<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  const { parsed, problems } = examined(schema, value);
  if (parsed !== null) return parsed.data;
  const more = problems.length - MAX_PROBLEMS;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${where}: ${problems.slice(0, MAX_PROBLEMS).join("; ")}${more > 0 ? `; and ${more} more` : ""}`,
  );
}

/** The same without throwing: every wrong field with its path, and null where there is one. */
export function examined<T extends z.ZodType>(
  schema: T,
  value: unknown,
): { readonly parsed: { readonly data: z.output<T> } | null; readonly problems: readonly string[] } {
  const result = schema.safeParse(value, { error: problem });
  if (result.success) return { parsed: result, problems: [] };
  const problems = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join(".")}: ${message}`,
  );
  return { parsed: null, problems };
}

/** The message of an issue whose schema has none of its own. */
function problem(issue: z.core.$ZodRawIssue): string | undefined {
  const found = `found ${shown(issue.input)}`;
  switch (issue.code) {
    case "invalid_type":
      return `expected ${NAMES[issue.expected] ?? issue.expected}, ${found}`;
    case "invalid_value":
      return `expected ${issue.values.map(shown).join(" or ")}, ${found}`;
    case "invalid_union":
      return `expected something else, ${found}`;
    case "too_small":
      return issue.origin === "string"
        ? `expected a text of at least ${issue.minimum} characters, ${found}`
        : issue.origin === "array"
          ? `expected at least ${issue.minimum}, ${found}`
          : `expected a number from ${issue.minimum}, ${found}`;
    case "too_big":
      return `expected at most ${issue.maximum}, ${found}`;
    case "unrecognized_keys":
      return `expected no field ${issue.keys.join(", ")}`;
    default:
      return undefined;
  }
}

const NAMES: Readonly<Record<string, string>> = {
  string: "a text",
  int: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  tuple: "a list of two",
  object: "an object",
  nonoptional: "a value",
};

/** A value as JSON, truncated, for error messages. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text;
}
