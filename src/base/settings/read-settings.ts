// Reads settings from a file, the environment and flags in order of precedence; errors name the source of a wrong value.

import { readFileSync } from "node:fs";
import type { z } from "zod";
import { MagdiError } from "../errors.ts";
import { isObject } from "../files/json-file.ts";
import { isDeeperThan } from "../json-depth.ts";
import { nearestName } from "./nearest-name.ts";
import { flagOf, fromText, type Setting, settingsOf, variableOf } from "./setting.ts";

/** What errors show of a name that is none. */
const MAX_NAME_CHARS = 100;

/** Values by key. */
export interface SettingsSource {
  /** A key's name in errors: "--learning-rate", "settings.json: learningRate". */
  readonly nameOf: (key: string) => string;
  readonly values: Readonly<Record<string, unknown>>;
  /** From texts, not JSON: for a list, errors show the wrong item alone. */
  readonly areTexts?: true;
}

/** Defaults < the sources in their order. @throws MAGDI_BAD_CONFIG: one line with the place, what was expected and found */
export function readSettings<S extends z.core.$ZodLooseShape>(
  schema: z.ZodObject<S>,
  sources: readonly SettingsSource[],
): z.output<z.ZodObject<S>> {
  const { settings, problems } = examinedSettings(schema, sources);
  if (settings !== null) return settings;
  throw new MagdiError("MAGDI_BAD_CONFIG", problems[0] ?? "unreadable settings");
}

/** The same without throwing: all that is wrong, a line each, and no settings then. */
export function examinedSettings<S extends z.core.$ZodLooseShape>(
  schema: z.ZodObject<S>,
  sources: readonly SettingsSource[],
): { readonly settings: z.output<z.ZodObject<S>> | null; readonly problems: readonly string[] } {
  const places = new Map<string, SettingsSource>();
  const problems: string[] = [];
  for (const source of sources) {
    for (const key of Object.keys(source.values)) {
      if (Object.hasOwn(schema.shape, key)) places.set(key, source);
      else problems.push(unknownSetting(schema, key, source));
    }
  }
  const values = Object.assign({}, ...sources.map((source) => source.values));
  const parsed = schema.safeParse(
    Object.fromEntries(Object.entries(values).filter(([key]) => places.has(key))),
  );
  if (parsed.success) return { settings: problems.length === 0 ? parsed.data : null, problems };
  const wrong = new Set<string>();
  for (const { path, message } of parsed.error.issues) {
    const key = String(path[0]);
    if (wrong.has(key)) continue;
    wrong.add(key);
    problems.push(wrongSetting(schema, key, path[1], message, places.get(key)));
  }
  return { settings: null, problems };
}

function unknownSetting(schema: z.ZodObject, key: string, source: SettingsSource): string {
  const known = Object.keys(schema.shape);
  const near = nearestName(flagOf(key), known.map(flagOf));
  const meant = known.find((one) => flagOf(one) === near);
  const remedy = meant === undefined ? "--help lists the settings" : `did you mean ${meant}?`;
  const named = key.length > MAX_NAME_CHARS ? `${key.slice(0, MAX_NAME_CHARS)}…` : key;
  return `${source.nameOf(named)} is not a setting; ${remedy}`;
}

function wrongSetting(
  schema: z.ZodObject,
  key: string,
  item: PropertyKey | undefined,
  expected: string,
  { nameOf, values, areTexts }: SettingsSource = { nameOf: () => key, values: {} },
): string {
  const value = values[key];
  const found = areTexts && Array.isArray(value) && typeof item === "number" ? value[item] : value;
  const isSecret = settingsOf(schema).some((setting) => setting.key === key && setting.facts.secret);
  if (isSecret) return `${nameOf(key)}: ${expected}`;
  return `${nameOf(key)}: expected ${expected}, found ${JSON.stringify(found)?.slice(0, 100)}`;
}

/** `given` by flag: a text, true for a flag without a value, a list for a repeated one. Unknown flags are ignored. */
export function fromFlags(schema: z.ZodObject, given: Readonly<Record<string, unknown>>): SettingsSource {
  return fromTexts(
    schema,
    (key) => `--${flagOf(key)}`,
    ({ flag }) => (flag === null ? undefined : given[flag]),
  );
}

/** An empty variable counts as unset. */
export function fromEnvironment(
  schema: z.ZodObject,
  environment: Readonly<Record<string, string | undefined>>,
): SettingsSource {
  return fromTexts(schema, variableOf, ({ variable }) => environment[variable] || undefined);
}

function fromTexts(
  schema: z.ZodObject,
  nameOf: SettingsSource["nameOf"],
  textOf: (setting: Setting) => unknown,
): SettingsSource {
  const values = settingsOf(schema).flatMap((setting) => {
    const value = textOf(setting);
    if (value === undefined) return [];
    return [[setting.key, typeof value === "string" ? fromText(schema.shape[setting.key], value) : value]];
  });
  return { nameOf, values: Object.fromEntries(values), areTexts: true };
}

/** `flag` names the file in errors. @throws MAGDI_FILE_MISSING, and MAGDI_BAD_CONFIG if it is not a JSON object */
export function fromFile(schema: z.ZodObject, path: string, flag: string): SettingsSource {
  let content: unknown;
  try {
    const text = readFileSync(path, "utf8");
    if (isDeeperThan(text)) {
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `${flag} ${path}: expected settings, found JSON nested too deep`,
      );
    }
    content = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof MagdiError) throw cause;
    const [code, found] =
      cause instanceof SyntaxError
        ? (["MAGDI_BAD_CONFIG", "text that is not JSON"] as const)
        : (["MAGDI_FILE_MISSING", "none that can be read"] as const);
    throw new MagdiError(code, `${flag} ${path}: expected a JSON file of settings, found ${found}`, {
      cause,
    });
  }
  if (!isObject(content)) {
    throw new MagdiError("MAGDI_BAD_CONFIG", `${flag} ${path}: expected a JSON object of settings`);
  }
  for (const { key, variable, facts } of settingsOf(schema)) {
    if (facts.secret && Object.hasOwn(content, key)) {
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `${path}: ${key} is read from the environment alone, as ${variable}`,
      );
    }
  }
  return { nameOf: (key) => `${path}: ${key}`, values: content };
}
