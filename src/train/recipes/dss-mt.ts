// Distilling Step-by-Step (Hsieh et al. 2023, arXiv 2305.02301) with several teachers: the rationale and the label are
// two tasks, told apart by what the prompt asks for, and each has its own mean.

import type { Recipe } from "./recipe.ts";

export const dssMt: Recipe = {
  name: "dss-mt",
  summary:
    "all teachers' correct chains as two tasks, rationale and label (Distilling Step-by-Step); two NLLs",
  level: null,
  settings: () => ({ losses: ["nll"], nodes: "correct", chains: "two-tasks" }),
};
