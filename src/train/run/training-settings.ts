// Resolves and checks a training run's settings from recipe, file and flags; setting-groups.ts has the table of them.

import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { readSettings, type SettingsSource } from "../../base/settings/read-settings.ts";
import { type Setting, settingsOf } from "../../base/settings/setting.ts";
import { LORA_TARGETS, type LoraOptions } from "../../nn/lora.ts";
import type { BaseModel } from "../../student/base-model.ts";
import type { BatchLimits } from "../batches/training-data.ts";
import { findRecipe } from "../recipes.ts";
import { MAX_TOKENS, SETTING_GROUPS, type TrainingSettings, trainingSettings } from "./setting-groups.ts";

export type { TrainingSettings } from "./setting-groups.ts";
/** Settings with the defaults that depend on the base. */
export type SettledSettings = TrainingSettings & { readonly maxTokens: number; readonly scoreWidth: number };

export const batchLimits = (
  settings: Pick<TrainingSettings, "microBatchRows" | "microBatchTokens">,
): BatchLimits => ({ maxRows: settings.microBatchRows, maxTokens: settings.microBatchTokens });

/** Defaults < the recipe < the sources in their order. @throws MAGDI_BAD_CONFIG naming the key, its source and value */
export function resolveSettings(sources: readonly SettingsSource[]): TrainingSettings {
  const chosen = sources.findLast(({ values }) => values.recipe !== undefined)?.values.recipe;
  const name = String(chosen ?? trainingSettings.shape.recipe.parse(undefined));
  const { recipe, argument } = findRecipe(name);
  const ofRecipe = { nameOf: (key: string) => `recipe ${name}: ${key}`, values: recipe.settings(argument) };
  return readSettings(trainingSettings, [ofRecipe, ...sources]);
}

/** The settings of an adapter that is trained on, which are its own. @throws MAGDI_BAD_CONFIG for one that cannot be written */
export function settingsWithAdapter(
  settings: TrainingSettings,
  folder: string,
  { rank, alpha, lora }: { readonly rank: number; readonly alpha: number; readonly lora: LoraOptions },
): TrainingSettings {
  const kinds = LORA_TARGETS.filter((target) =>
    [...(lora.own?.keys() ?? [])].some((module) => module.endsWith(`.${target}`)),
  );
  const own = { loraRank: rank, loraAlpha: alpha, loraTargets: kinds };
  return checkedSettings({ ...settings, ...own }, (key) => `${folder}: ${key}`);
}

/** Fills in the defaults that depend on the base. @throws MAGDI_BAD_CONFIG for settings that it does not allow */
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

/** Settings of a run's settings.json, without its recipe. @throws MAGDI_BAD_CONFIG naming the first wrong one */
export function checkedSettings(
  values: SettingsSource["values"],
  nameOf: SettingsSource["nameOf"],
): TrainingSettings {
  return readSettings(trainingSettings, [{ nameOf, values }]);
}

/** For the docs; `group` is the heading. */
export const TRAINING_SETTINGS: readonly (Setting & { readonly group: string })[] = Object.entries(
  SETTING_GROUPS,
).flatMap(([group, settings]) => settingsOf(z.object(settings)).map((setting) => ({ ...setting, group })));
