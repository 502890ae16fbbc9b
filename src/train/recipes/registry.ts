// All recipes, and how a name finds one.

import { MagdiError } from "../../base/errors.ts";
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

export interface FoundRecipe {
  readonly recipe: Recipe;
  /** What the name has in the place of the part in angle brackets. */
  readonly argument: string;
}

/** sit-gpt4 finds sit-<agent>. @throws MAGDI_BAD_CONFIG */
export function findRecipe(name: string): FoundRecipe {
  for (const recipe of RECIPES) {
    const [prefix = "", placeholder] = recipe.name.split("<");
    if (placeholder === undefined && recipe.name === name) return { recipe, argument: "" };
    const argument = name.slice(prefix.length);
    if (
      placeholder !== undefined &&
      name.startsWith(prefix) &&
      argument !== "" &&
      !argument.startsWith("<")
    ) {
      return { recipe, argument };
    }
  }
  const names = RECIPES.map((recipe) => recipe.name).join(", ");
  throw new MagdiError("MAGDI_BAD_CONFIG", `recipe: expected one of ${names}, found ${JSON.stringify(name)}`);
}
