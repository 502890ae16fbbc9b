// The recipes: names for settings of training. What one sets is only another default, which files and flags win over.

import { MagdiError } from "../base/errors.ts";
import type { TrainingSettings } from "./run/setting-groups.ts";

export interface Recipe {
  /** With a part in angle brackets it stands for a family, such as sit-<agent>. */
  readonly name: string;
  readonly summary: string;
  /** How much of the interaction graphs it learns from, 1 to 4; null where it is none of the paper's levels. */
  readonly level: 1 | 2 | 3 | 4 | null;
  /** Where it differs from the defaults. `argument` stands for the part in angle brackets; empty where there is none. */
  readonly settings: (argument: string) => Partial<TrainingSettings>;
}

const recipe = (
  name: string,
  level: Recipe["level"],
  summary: string,
  settings: Partial<TrainingSettings> | Recipe["settings"],
): Recipe => ({
  name,
  summary,
  level,
  settings: typeof settings === "function" ? settings : () => settings,
});

const CORRECT_CHAINS = { losses: ["nll"], nodes: "correct" } satisfies Partial<TrainingSettings>;

/** In the order of the help text and the docs. */
export const RECIPES: readonly Recipe[] = [
  recipe("base", null, "the base as it is (zero-shot): nothing is trained, only exported", { losses: [] }),
  recipe("sit-<agent>", null, "one teacher's correct chains, named as the data names it; NLL", (agent) => ({
    ...CORRECT_CHAINS,
    agents: [agent],
  })),
  // Distilling Step-by-Step (Hsieh et al. 2023, arXiv 2305.02301) with several teachers: two tasks, told apart by what
  // the prompt asks for, and each has its own mean.
  recipe(
    "dss-mt",
    null,
    "all teachers' correct chains as two tasks, rationale and label (Distilling Step-by-Step); two NLLs",
    { ...CORRECT_CHAINS, chains: "two-tasks" },
  ),

  // MAGDi (arXiv 2402.01620) and its levels.
  recipe("magdi-r0", 1, "level 1: the correct nodes of round 0, before anyone heard anyone; NLL", {
    ...CORRECT_CHAINS,
    rounds: "first",
  }),
  recipe("magdi-cn", 2, "level 2: all correct nodes; NLL", CORRECT_CHAINS),
  recipe("magdi-an", 3, "level 3: all nodes, the wrong ones as contrast; NLL and margin", {
    losses: ["nll", "margin"],
  }),
  recipe("magdi", 4, "level 4: all nodes and edges; NLL, margin and node", {}),
  recipe(
    "magdi-mt",
    4,
    "level 4 on all tasks jointly: --data takes the files of all, and each has the same say",
    { balance: "files" },
  ),
  // As the authors' code (github.com/dinobby/MAGDi) does it, where that is not what the paper says.
  recipe(
    "magdi-released",
    4,
    "level 4 as near to the released code as options come, learning rate for 7B included; import its MAGs with --edges released --clean released",
    {
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
    },
  ),

  // Level 4 with one thing changed: what each part of it is good for.
  recipe("magdi-undirected", 4, "ablation: edges work both ways", { edges: "undirected" }),
  recipe("magdi-fully-connected", 4, "ablation: every node of a graph hears every other", {
    edges: "fully-connected",
  }),
  recipe(
    "magdi-node-attention",
    4,
    "ablation: attention over the nodes that a node heard, instead of graph convolutions",
    { nodeClassifier: "node-attention" },
  ),
  recipe(
    "magdi-token-attention",
    4,
    "ablation: attention over the tokens of the nodes that a node heard, instead of graph convolutions",
    { nodeClassifier: "token-attention" },
  ),
  recipe("magdi-frozen", 4, "ablation: the node loss teaches the classifier alone, never the student", {
    nodeFeatures: "frozen",
  }),
  recipe("magdi-without-densest", 4, "ablation: no graphs of three rounds after the first", {
    leaveOutGraphs: ["G3"],
  }),
  recipe(
    "magdi-mags-<count>",
    4,
    "ablation: so many MAGs, drawn by the seed (100 to 1000 in the paper)",
    (count) => ({ mags: Number(count) }),
  ),
];

export interface FoundRecipe {
  readonly recipe: Recipe;
  /** What the name has in the place of the part in angle brackets. */
  readonly argument: string;
}

/** sit-gpt4 finds sit-<agent>. @throws MAGDI_BAD_CONFIG */
export function findRecipe(name: string): FoundRecipe {
  for (const found of RECIPES) {
    const [prefix = "", placeholder] = found.name.split("<");
    if (placeholder === undefined && found.name === name) return { recipe: found, argument: "" };
    const argument = name.slice(prefix.length);
    if (
      placeholder !== undefined &&
      name.startsWith(prefix) &&
      argument !== "" &&
      !argument.startsWith("<")
    ) {
      return { recipe: found, argument };
    }
  }
  const names = RECIPES.map((known) => known.name).join(", ");
  throw new MagdiError("MAGDI_BAD_CONFIG", `recipe: expected one of ${names}, found ${JSON.stringify(name)}`);
}
