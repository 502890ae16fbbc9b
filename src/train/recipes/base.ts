// The student as it comes: the row that every other is compared with.

import type { Recipe } from "./recipe.ts";

export const base: Recipe = {
  name: "base",
  summary: "the base as it is (zero-shot): nothing is trained, only exported",
  level: null,
  settings: () => ({ losses: [] }),
};
