// MAGDi (arXiv 2402.01620) and its levels: how much of the interaction graphs a student learns from.

import type { Recipe } from "./recipe.ts";

export const magdiR0: Recipe = {
  name: "magdi-r0",
  summary: "level 1: the correct nodes of round 0, before anyone heard anyone; NLL",
  level: 1,
  settings: () => ({ losses: ["nll"], nodes: "correct", rounds: "first" }),
};

export const magdiCn: Recipe = {
  name: "magdi-cn",
  summary: "level 2: all correct nodes; NLL",
  level: 2,
  settings: () => ({ losses: ["nll"], nodes: "correct" }),
};

export const magdiAn: Recipe = {
  name: "magdi-an",
  summary: "level 3: all nodes, the wrong ones as contrast; NLL and margin",
  level: 3,
  settings: () => ({ losses: ["nll", "margin"] }),
};

export const magdi: Recipe = {
  name: "magdi",
  summary: "level 4: all nodes and edges; NLL, margin and node",
  level: 4,
  settings: () => ({}),
};
