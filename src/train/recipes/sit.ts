// Single-teacher instruction tuning.

import type { Recipe } from "./recipe.ts";

export const sit: Recipe = {
  name: "sit-<agent>",
  summary: "one teacher's correct chains, named as the data names it; NLL",
  level: null,
  settings: (agent) => ({ losses: ["nll"], nodes: "correct", agents: [agent] }),
};
