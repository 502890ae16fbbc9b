// Level 4 with one thing changed: what each part of it is good for.

import type { Recipe } from "./recipe.ts";

const ablation = (suffix: string, summary: string, settings: ReturnType<Recipe["settings"]>): Recipe => ({
  name: `magdi-${suffix}`,
  summary: `ablation: ${summary}`,
  level: 4,
  settings: () => settings,
});

export const ABLATIONS: readonly Recipe[] = [
  ablation("undirected", "edges work both ways", { edges: "undirected" }),
  ablation("fully-connected", "every node of a graph hears every other", { edges: "fully-connected" }),
  ablation("node-attention", "attention over the nodes that a node heard, instead of graph convolutions", {
    nodeClassifier: "node-attention",
  }),
  ablation(
    "token-attention",
    "attention over the tokens of the nodes that a node heard, instead of graph convolutions",
    {
      nodeClassifier: "token-attention",
    },
  ),
  ablation("frozen", "the node loss teaches the classifier alone, never the student", {
    nodeFeatures: "frozen",
  }),
  ablation("without-densest", "no graphs of three rounds after the first", { leaveOutGraphs: ["G3"] }),
  {
    name: "magdi-mags-<count>",
    summary: "ablation: so many MAGs, drawn by the seed (100 to 1000 in the paper)",
    level: 4,
    settings: (count) => ({ mags: Number(count) }),
  },
];
