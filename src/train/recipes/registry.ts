// All recipes, and how a name finds one.

import { MagdiError } from "../../errors.ts";
import { ABLATIONS } from "./ablations.ts";
import { base } from "./base.ts";
import { dssMt } from "./dss-mt.ts";
import { magdi, magdiAn, magdiCn, magdiR0 } from "./magdi.ts";
import { magdiMt } from "./magdi-mt.ts";
import type { Recipe } from "./recipe.ts";
import { released } from "./released.ts";
import { sit } from "./sit.ts";

export const RECIPES: readonly Recipe[] = [
  base,
  sit,
  dssMt,
  magdiR0,
  magdiCn,
  magdiAn,
  magdi,
  magdiMt,
  released,
  ...ABLATIONS,
];

/** The settings that a recipe of this name sets; sit-gpt4 finds sit-<agent>. @throws MAGDI_BAD_CONFIG */
export function recipeSettings(name: string): ReturnType<Recipe["settings"]> {
  const exact = RECIPES.find((recipe) => recipe.name === name);
  if (exact !== undefined && !exact.name.includes("<")) return exact.settings("");
  for (const recipe of RECIPES) {
    const prefix = recipe.name.split("<")[0] ?? "";
    if (
      prefix !== recipe.name &&
      name.startsWith(prefix) &&
      name.length > prefix.length &&
      exact === undefined
    ) {
      return recipe.settings(name.slice(prefix.length));
    }
  }
  const names = RECIPES.map((recipe) => recipe.name).join(", ");
  throw new MagdiError("MAGDI_BAD_CONFIG", `recipe: expected one of ${names}, found ${JSON.stringify(name)}`);
}
