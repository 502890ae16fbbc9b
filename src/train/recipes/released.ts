// Level 4 as the authors' code does it (github.com/dinobby/MAGDi), where that is not what the paper says.

import type { Recipe } from "./recipe.ts";

export const released: Recipe = {
  name: "magdi-released",
  summary:
    "level 4 as near to the released code as options come, learning rate for 7B included; import its MAGs with --edges released --clean released",
  level: 4,
  settings: () => ({
    nodeFeatures: "frozen",
    lossOnPrompt: true,
    scoreHead: "mlp",
    gcnWidth: 512,
    nodeHead: "none",
    missingNodes: "third-class",
    gcnDropout: 0.5,
    gcnDropoutWhenValidating: true,
    pooling: "padded",
    pooledCentre: "none",
    questions: "apart",
    pairing: "in-order",
    learningRate: 5e-6,
    schedule: "linear",
  }),
};
