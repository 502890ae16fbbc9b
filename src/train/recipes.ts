// The recipes: named sets of defaults for the training settings, which files and flags override.

import { MagdiError } from "../base/errors.ts";
import type { TrainingSettings } from "./run/setting-groups.ts";

export interface Recipe {
  /** May end in a parameter, as in sit-<agent>. */
  readonly name: string;
  readonly summary: string;
  /** The paper's level of distillation; null if it is none of them. */
  readonly level: 1 | 2 | 3 | 4 | null;
  /** Where it differs from the defaults; `argument` is the parameter's value, or empty. */
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
  recipe("base", null, "the base as it is (zero-shot): no training, export only", { losses: [] }),
  recipe(
    "sft",
    null,
    "plain fine-tuning on conversations or prompts and completions, as TRL reads them; NLL",
    { losses: ["nll"], dataFormat: "chat" },
  ),
  recipe("sit-<agent>", null, "the correct chains of one teacher, by its name in the data; NLL", (agent) => ({
    ...CORRECT_CHAINS,
    agents: [agent],
  })),
  // Distilling Step-by-Step (Hsieh et al. 2023, arXiv 2305.02301) with several teachers: two tasks with different prompts,
  // each with its own mean.
  recipe(
    "dss-mt",
    null,
    "all teachers' correct chains as two tasks, rationale and label (Distilling Step-by-Step); two NLLs",
    { ...CORRECT_CHAINS, chains: "two-tasks" },
  ),

  // MAGDi (arXiv 2402.01620) and its levels.
  recipe("magdi-r0", 1, "level 1: the correct nodes of round 0, before agents read each other; NLL", {
    ...CORRECT_CHAINS,
    rounds: "first",
  }),
  recipe("magdi-cn", 2, "level 2: all correct nodes; NLL", CORRECT_CHAINS),
  recipe("magdi-an", 3, "level 3: all nodes, the wrong ones for contrast; NLL and margin", {
    losses: ["nll", "margin"],
  }),
  recipe("magdi", 4, "level 4: all nodes and edges; NLL, margin and node", {}),
  recipe(
    "magdi-mt",
    4,
    "level 4 on all tasks jointly: --data has the files of all, which are weighted equally",
    { balance: "files" },
  ),
  // The authors' code (github.com/dinobby/MAGDi), where it differs from the paper.
  recipe(
    "magdi-released",
    4,
    "level 4 as in the released code as far as possible, with its learning rate for 7B; import the MAGs with --edges released --clean released",
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

  // Ablations: level 4 with one thing changed.
  recipe("magdi-undirected", 4, "ablation: edges work both ways", { edges: "undirected" }),
  recipe("magdi-fully-connected", 4, "ablation: edges between all nodes of a graph", {
    edges: "fully-connected",
  }),
  recipe(
    "magdi-node-attention",
    4,
    "ablation: attention over the nodes that a node had read instead of graph convolutions",
    { nodeClassifier: "node-attention" },
  ),
  recipe(
    "magdi-token-attention",
    4,
    "ablation: attention over the tokens of those nodes instead of graph convolutions",
    { nodeClassifier: "token-attention" },
  ),
  recipe("magdi-frozen", 4, "ablation: the node loss trains only the classifier, not the student", {
    nodeFeatures: "frozen",
  }),
  recipe("magdi-without-densest", 4, "ablation: no graphs with three rounds after the first", {
    leaveOutGraphs: ["G3"],
  }),
  recipe(
    "magdi-mags-<count>",
    4,
    "ablation: at most this many MAGs, drawn by the seed (100 to 1000 in the paper)",
    (count) => ({ mags: Number(count) }),
  ),
];

export interface FoundRecipe {
  readonly recipe: Recipe;
  /** The value of the recipe's parameter, or empty. */
  readonly argument: string;
}

/** sit-gpt4 finds sit-<agent>. @throws MAGDI_BAD_CONFIG */
export function findRecipe(name: string): FoundRecipe {
  for (const found of RECIPES) {
    const [prefix = "", placeholder] = found.name.split("<");
    if (placeholder === undefined && found.name === name) return { recipe: found, argument: "" };
    if (placeholder === undefined || !name.startsWith(prefix)) continue;
    const argument = name.slice(prefix.length);
    if (argument !== "" && !argument.startsWith("<")) return { recipe: found, argument };
  }
  const names = RECIPES.map((known) => known.name).join(", ");
  throw new MagdiError("MAGDI_BAD_CONFIG", `recipe: expected one of ${names}, found ${JSON.stringify(name)}`);
}
