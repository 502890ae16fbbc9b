// Every setting of a training run as a table: its default, what it means, what it may be. It knows no flags, no files and
// no recipes.

import { z } from "zod";
import {
  listOf,
  number,
  oneOf,
  onOff,
  someOf,
  text,
  wholeNumber as wholeNumberTo,
} from "../../base/settings/kinds.ts";
import { LORA_TARGETS } from "../../nn/lora.ts";
import { NODE_CLASSIFIERS } from "../../nn/node-classifier.ts";
import { DEVICE_SETTINGS } from "../../runtime/device-name.ts";
import { DTYPES } from "../../student/dtype.ts";
import { ADJACENCIES } from "../batches/adjacency.ts";
import { SCHEDULES } from "../step/schedule.ts";

const MOST = 1_000_000_000;

const wholeNumber = (min: number, max = MOST) =>
  wholeNumberTo(min, max, max === MOST ? `a whole number from ${min}` : undefined);

/** Where the settings name none and the base has as many positions. */
export const MAX_TOKENS = 1024;
const LOSSES = ["nll", "margin", "node"] as const;

/** By heading, in the order of the help text. Keys are a settings file's; --learning-rate is learningRate as a flag. */
export const SETTING_GROUPS = {
  "what goes in": {
    recipe: text("a recipe").default("magdi").describe("the recipe, whose settings replace these defaults"),
    data: listOf("a file of MAGs")
      .default([])
      .describe("files of MAGs to learn from, as magdi train import-mags writes them"),
    base: text("a folder, a .gguf file or a hub id").nullable().default(null).describe("the base model"),
    out: text("a folder").nullable().default(null).describe("the run's folder, which must be new"),
    validation: listOf("a file of MAGs")
      .default([])
      .describe("files of MAGs to validate on, instead of a share of data"),
    validationShare: number(0, 0.9)
      .default(0.1)
      .describe("share of the questions, drawn by the seed, that is kept for validation"),
    mags: wholeNumber(1)
      .nullable()
      .default(null)
      .describe("learn from so many MAGs at most, drawn by the seed"),
    agents: listOf("an agent").default([]).describe("only these agents' nodes; none named: all"),
    nodes: oneOf(["correct", "all"]).default("all").describe("nodes to keep: correct ones alone, or all"),
    rounds: oneOf(["first", "all"])
      .default("all")
      .describe("rounds to keep: first is before anyone heard anyone"),
    leaveOutGraphs: listOf("a graph type such as G3", (name) => /^G\d+$/.test(name))
      .default([])
      .describe("graph types to leave out, such as G3: the number counts the rounds after the first"),
    balance: oneOf(["none", "files"])
      .default("none")
      .describe("files: repeat the smaller files' MAGs until each file has as many"),
    chains: oneOf(["whole", "two-tasks"])
      .default("whole")
      .describe(
        "whole: the reasoning and the answer; two-tasks: that, and the bare answer on its own prompt",
      ),
    maxTokens: wholeNumber(8)
      .nullable()
      .default(null)
      .describe(`longest prompt and completion together; without it, ${MAX_TOKENS} or the base's positions`),
    tooLong: oneOf(["drop", "cut"])
      .default("drop")
      .describe(
        "nodes with more: dropped with their edges, or cut, so that their end is not learned; a bare answer is always dropped",
      ),
  },
  losses: {
    losses: someOf(LOSSES)
      .default([...LOSSES])
      .describe("the losses: likelihood, contrast of scores, node classifier"),
    nllWeight: number(0, 1000).default(1).describe("weight of the likelihood"),
    marginWeight: number(0, 1000).default(0.1).describe("weight of the margin loss"),
    nodeWeight: number(0, 1000).default(1).describe("weight of the node loss"),
    margin: number(0, 2).default(1).describe("how far a correct score should be above an incorrect one"),
    scoreHead: oneOf(["linear", "mlp"])
      .default("linear")
      .describe("score head: the paper's, or the released code's"),
    scoreWidth: wholeNumber(1)
      .nullable()
      .default(null)
      .describe("width of an mlp score head; without it, the base's"),
    nodeClassifier: oneOf(NODE_CLASSIFIERS)
      .default("gcn")
      .describe(
        "how nodes hear each other: graph convolutions, or attention over the nodes or the tokens that a node heard",
      ),
    gcnWidth: wholeNumber(1).default(256).describe("width of the node classifier"),
    nodeHead: oneOf(["linear", "none"])
      .default("linear")
      .describe(
        "what gives the node classifier's logits: a linear layer behind it, or, of graph convolutions, the second one itself, as in the released code",
      ),
    missingNodes: oneOf(["left-out", "third-class"])
      .default("left-out")
      .describe(
        "answers that are not in a MAG: no nodes, or a node of a third class for each agent in each of four rounds, as in the released code",
      ),
    gcnDropout: number(0, 0.95)
      .default(0)
      .describe("share dropped behind the node classifier's first layer; 0.5 in the released code"),
    gcnDropoutWhenValidating: onOff()
      .default(false)
      .describe("drop when validating too, as the released code does"),
    nodeFeatures: oneOf(["live", "frozen"])
      .default("live")
      .describe(
        "live: the node loss reaches the student; frozen: only its classifier, on each step's vectors (the released code's are the base's, computed once)",
      ),
    edges: oneOf(ADJACENCIES)
      .default("directed")
      .describe("edges as the debate had them, both ways, or all with all"),
    pooling: oneOf(["tokens", "padded"])
      .default("tokens")
      .describe(
        "a token's weight in a pooled vector: its place in its row, or, padding on the left counted too, in the batch, as in the released code",
      ),
    pooledCentre: oneOf(["measured", "none"])
      .default("measured")
      .describe(
        "measured: what pooled vectors have in common before the first step is taken off before the heads, which learn sooner; none: heads get it too, as in the released code",
      ),
    questions: oneOf(["together", "apart"])
      .default("together")
      .describe(
        "losses of a step over the same questions, or each over questions of its own, nearly as in the released code",
      ),
    pairing: oneOf(["drawn", "in-order"])
      .default("drawn")
      .describe("pairs of one question: drawn anew each time, or in order, as in the released code"),
    lossOnPrompt: onOff().default(false).describe("learn the prompt's tokens too, as in the released code"),
  },
  adapter: {
    loraRank: wholeNumber(1, 4096).default(16).describe("rank of the adapters"),
    loraAlpha: number(1e-3, 100_000).default(32).describe("an adapter's output is scaled by alpha / rank"),
    loraDropout: number(0, 0.95).default(0.05).describe("share of its input that an adapter does not see"),
    loraTargets: someOf(LORA_TARGETS, 1)
      .default(["q_proj", "v_proj"])
      .describe(`modules with an adapter: ${LORA_TARGETS.join(", ")}`),
  },
  optimiser: {
    learningRate: number(0, 1)
      .default(2e-4)
      .describe("highest learning rate; 2e-4 suits 135M, 5e-6 suits 7B"),
    headLearningRate: number(0, 1)
      .nullable()
      .default(null)
      .describe("highest learning rate of the score head and the node classifier; without it, the adapters'"),
    schedule: oneOf(SCHEDULES).default("cosine").describe("learning rate after the warm-up"),
    warmupShare: number(0, 1).default(0.03).describe("share of all steps in which the rate rises"),
    finalShare: number(0, 1).default(0).describe("share of the highest rate that a falling one ends at"),
    weightDecay: number(0, 10).default(0).describe("decoupled weight decay of AdamW"),
    beta1: number(0, 0.999_999).default(0.9).describe("decay of AdamW's mean of gradients"),
    beta2: number(0, 0.999_999_9).default(0.999).describe("decay of AdamW's mean of squared gradients"),
    // 0 would divide a gradient of zero by itself.
    epsilon: number(1e-15, 1).default(1e-8).describe("added to AdamW's denominator"),
    clipNorm: number(0, 1e9).default(1).describe("gradients longer than this are shortened to it; 0 never"),
    batchSize: wholeNumber(1)
      .default(16)
      .describe("MAGs of an optimiser step; chains, where the losses are nll alone"),
    epochs: wholeNumber(1).default(10).describe("times that everything is seen"),
    maxSteps: wholeNumber(1).nullable().default(null).describe("optimiser steps at most"),
    seed: wholeNumber(0, 4_294_967_295).default(0).describe("seed of everything that is drawn"),
  },
  "validation and stopping": {
    validateEvery: wholeNumber(0).default(0).describe("steps between validations; 0: after each epoch"),
    patience: wholeNumber(0)
      .default(3)
      .describe("stop after so many validations without a better one; 0: never"),
    checkpointEvery: wholeNumber(0)
      .default(50)
      .describe("steps between checkpoints; 0: after each epoch only"),
  },
  machine: {
    microBatchTokens: wholeNumber(16)
      .default(1024)
      .describe(
        "tokens, padding counted, that run at once; a batch is cut so and its gradients are added up",
      ),
    microBatchRows: wholeNumber(1)
      .default(64)
      .describe("chains that run at once at most; a MAG is never cut"),
    sharedPrompts: onOff()
      .default(true)
      .describe("compute the prompt that a MAG's chains have in common once; the same losses and gradients"),
    recompute: onOff()
      .default(false)
      .describe("compute activations again on the way back: a third more time, a fraction of the memory"),
    baseDtype: oneOf(["fp32", "fp16"])
      .default("fp32")
      .describe(
        "what the base is kept and multiplied in; fp16 halves its memory on a device; adapters and sums stay in float32",
      ),
    device: oneOf(DEVICE_SETTINGS)
      .default("cpu")
      .describe("what computes: auto is the first of cuda, webgpu and cpu that works here"),
    threads: wholeNumber(1, 1024)
      .nullable()
      .default(null)
      .describe("threads; without it, what the device takes"),
  },
  "what comes out": {
    export: onOff().default(true).describe("merge the adapter and write the student folder at the end"),
    dtypes: someOf(DTYPES, 1).default(["q8"]).describe("formats of the student folder"),
  },
} as const;

export const trainingSettings = z.object({
  ...SETTING_GROUPS["what goes in"],
  ...SETTING_GROUPS.losses,
  ...SETTING_GROUPS.adapter,
  ...SETTING_GROUPS.optimiser,
  ...SETTING_GROUPS["validation and stopping"],
  ...SETTING_GROUPS.machine,
  ...SETTING_GROUPS["what comes out"],
});

export type TrainingSettings = z.output<typeof trainingSettings>;
