// The settings of a training run: resolved from recipe, file and flags, checked, and settled by a base. What there is to
// set stands in setting-groups.ts.

import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import type { BaseModel } from "../../student/base-model.ts";
import type { BatchLimits } from "../batches/training-data.ts";
import { findRecipe } from "../recipes/registry.ts";
import { MAX_TOKENS, SETTING_GROUPS } from "./setting-groups.ts";

const shape = {
  ...SETTING_GROUPS["what goes in"],
  ...SETTING_GROUPS.losses,
  ...SETTING_GROUPS.adapter,
  ...SETTING_GROUPS.optimiser,
  ...SETTING_GROUPS["validation and stopping"],
  ...SETTING_GROUPS.machine,
  ...SETTING_GROUPS["what comes out"],
};
const settingsSchema = z.strictObject(shape);

export type TrainingSettings = z.output<typeof settingsSchema>;
/** Settings of a run whose base is known. */
export type SettledSettings = TrainingSettings & { readonly maxTokens: number; readonly scoreWidth: number };
const SETTING_KEYS: readonly string[] = Object.keys(shape);

/** What runs at once at most. */
export const batchLimits = (
  settings: Pick<TrainingSettings, "microBatchRows" | "microBatchTokens">,
): BatchLimits => ({ maxRows: settings.microBatchRows, maxTokens: settings.microBatchTokens });

/** Values by key and where they were given, later sources winning. */
export interface SettingsSource {
  /** Where an error says a key was given: "--learning-rate", "settings.json: learningRate". */
  readonly nameOf: (key: string) => string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Defaults < the recipe < the sources in their order. @throws MAGDI_BAD_CONFIG naming the key, its place and value */
export function resolveSettings(sources: readonly SettingsSource[]): TrainingSettings {
  const given = new Map<string, { readonly value: unknown; readonly where: string }>();
  const add = ({ nameOf, values }: SettingsSource): void => {
    for (const [key, value] of Object.entries(values)) {
      if (!SETTING_KEYS.includes(key)) {
        throw new MagdiError(
          "MAGDI_BAD_CONFIG",
          `${nameOf(key)} is no setting; there are ${SETTING_KEYS.join(", ")}`,
        );
      }
      given.set(key, { value, where: nameOf(key) });
    }
  };
  const chosen = sources.findLast(({ values }) => values.recipe !== undefined)?.values.recipe;
  const recipe = String(chosen ?? settingsSchema.shape.recipe.parse(undefined));
  const found = findRecipe(recipe);
  add({ nameOf: (key) => `recipe ${recipe}: ${key}`, values: found.recipe.settings(found.argument) });
  for (const source of sources) add(source);
  return checkedSettings(
    Object.fromEntries([...given].map(([key, { value }]) => [key, value])),
    (key) => given.get(key)?.where ?? key,
  );
}

/** What a base decides where the settings leave it open. @throws MAGDI_BAD_CONFIG for more tokens than positions */
export function settledSettings(
  settings: TrainingSettings,
  { config, source }: Pick<BaseModel, "config" | "source">,
): SettledSettings {
  const { positions, hiddenSize } = config;
  const maxTokens = settings.maxTokens ?? Math.min(MAX_TOKENS, positions);
  if (settings.nodeHead === "none" && settings.nodeClassifier !== "gcn") {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `nodeHead: expected linear with the node classifier ${settings.nodeClassifier}, found none`,
    );
  }
  if (maxTokens <= positions) {
    return { ...settings, maxTokens, scoreWidth: settings.scoreWidth ?? hiddenSize };
  }
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `maxTokens: expected at most the ${positions} positions of ${source}, found ${maxTokens}`,
  );
}

/** Settings as a file has them, all of them or some. @throws MAGDI_BAD_CONFIG naming the first wrong one */
export function checkedSettings(
  values: Readonly<Record<string, unknown>>,
  nameOf: (key: string) => string,
): TrainingSettings {
  const parsed = settingsSchema.safeParse(values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const key = String(issue?.path[0] ?? "");
  const found = JSON.stringify(values[key])?.slice(0, 100);
  const expected = issue?.code === "unrecognized_keys" ? "settings of this version" : issue?.message;
  throw new MagdiError("MAGDI_BAD_CONFIG", `${nameOf(key)}: expected ${expected}, found ${found}`);
}

/** A flag's or variable's text as the setting's type. */
export function settingFromText(key: string, value: string): unknown {
  const schema: z.ZodType | undefined = Object.hasOwn(shape, key)
    ? shape[key as keyof typeof shape] // the line above asked
    : undefined;
  if (schema === undefined) return value;
  if (Array.isArray(schema.parse(undefined)))
    return value === "" ? [] : value.split(",").map((part) => part.trim());
  if (schema.safeParse(true).success) return value === "true" ? true : value === "false" ? false : value;
  const takesNumber = [0.5, 1, 64].some((probe) => schema.safeParse(probe).success);
  return takesNumber && /^-?\d+(\.\d+)?(e-?\d+)?$/i.test(value.trim()) ? Number(value) : value;
}

export interface SettingInfo {
  readonly key: string;
  readonly flag: string;
  readonly group: string;
  readonly description: string;
  readonly default: unknown;
}

/** What a help text and a page of settings are made of. */
export const SETTINGS: readonly SettingInfo[] = Object.entries(SETTING_GROUPS).flatMap(([group, settings]) =>
  Object.entries(settings as Readonly<Record<string, z.ZodType>>).map(([key, schema]) => ({
    key,
    flag: flagOf(key),
    group,
    description: schema.description ?? "",
    default: schema.parse(undefined),
  })),
);

/** learningRate → learning-rate */
export function flagOf(key: string): string {
  return key.replaceAll(/[A-Z]|\d+$/g, (part) => (/\d/.test(part) ? part : `-${part.toLowerCase()}`));
}
