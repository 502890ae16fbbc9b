// Level 4 on all tasks jointly.

import type { Recipe } from "./recipe.ts";

export const magdiMt: Recipe = {
  name: "magdi-mt",
  summary: "level 4 on all tasks jointly: --data takes the files of all, and each has the same say",
  level: 4,
  settings: () => ({ balance: "files" }),
};
