// Level 4 as the authors' code does it (github.com/dinobby/MAGDi), where that is not what the paper says.

import type { Recipe } from "./recipe.ts";

export const released: Recipe = {
  name: "magdi-released",
  summary:
    "level 4 as the released code has it: frozen node features, loss on the prompt too, a score head of two layers",
  level: 4,
  settings: () => ({ nodeFeatures: "frozen", lossOnPrompt: true, scoreHead: "mlp" }),
};
