// The settings of a training run: resolved from recipe, file and flags, checked, and settled by a base. What there is to
// set stands in setting-groups.ts.

import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { type Setting, settingsOf } from "../../base/settings/setting.ts";
import { readSettings, type SettingsSource } from "../../base/settings/sources.ts";
import type { BaseModel } from "../../student/base-model.ts";
import type { BatchLimits } from "../batches/training-data.ts";
import { findRecipe } from "../recipes.ts";
import { MAX_TOKENS, SETTING_GROUPS, type TrainingSettings, trainingSettings } from "./setting-groups.ts";

export type { TrainingSettings } from "./setting-groups.ts";
/** Settings of a run whose base is known. */
export type SettledSettings = TrainingSettings & { readonly maxTokens: number; readonly scoreWidth: number };

/** What runs at once at most. */
export const batchLimits = (
  settings: Pick<TrainingSettings, "microBatchRows" | "microBatchTokens">,
): BatchLimits => ({ maxRows: settings.microBatchRows, maxTokens: settings.microBatchTokens });

/** Defaults < the recipe < the sources in their order. @throws MAGDI_BAD_CONFIG naming the key, its place and value */
export function resolveSettings(sources: readonly SettingsSource[]): TrainingSettings {
  const chosen = sources.findLast(({ values }) => values.recipe !== undefined)?.values.recipe;
  const name = String(chosen ?? trainingSettings.shape.recipe.parse(undefined));
  const { recipe, argument } = findRecipe(name);
  const ofRecipe = { nameOf: (key: string) => `recipe ${name}: ${key}`, values: recipe.settings(argument) };
  return readSettings(trainingSettings, [ofRecipe, ...sources]);
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

/** Settings as a run's file has them, whatever its recipe. @throws MAGDI_BAD_CONFIG naming the first wrong one */
export function checkedSettings(
  values: SettingsSource["values"],
  nameOf: SettingsSource["nameOf"],
): TrainingSettings {
  return readSettings(trainingSettings, [{ nameOf, values }]);
}

/** What a help text and a page of settings are made of; groups are headings. */
export const TRAINING_SETTINGS: readonly (Setting & { readonly group: string })[] = Object.entries(
  SETTING_GROUPS,
).flatMap(([group, settings]) => settingsOf(z.object(settings)).map((setting) => ({ ...setting, group })));
