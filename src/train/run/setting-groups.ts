// The table of a training run's settings: default, meaning and allowed values.

import { z } from "zod";
import {
  files,
  listOf,
  number,
  numberThat,
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
import { BASE_DTYPES } from "../step/base-dtype.ts";
import { SCHEDULES } from "../step/schedule.ts";

const MOST = 1_000_000_000;

const wholeNumber = (min: number, max = MOST) =>
  wholeNumberTo(min, max, max === MOST ? `a whole number from ${min}` : undefined);

/** The default maxTokens of bases with at least as many positions. */
export const MAX_TOKENS = 1024;
const LOSSES = ["nll", "margin", "node"] as const;

/** PEFT's word for all of them. */
const ALL_LINEAR = "all-linear";

/** By heading, in the order of the help text. */
export const SETTING_GROUPS = {
  "what goes in": {
    recipe: text("a recipe").default("magdi").describe("the recipe, which replaces some of these defaults"),
    dataFormat: oneOf(["mags", "chat"])
      .default("mags")
      .describe(
        "what data files hold: MAGs, or conversations (messages, prompt and completion, text) as TRL reads them",
      ),
    data: files("a file of MAGs")
      .default([])
      .describe("files of MAGs for training, from magdi train import-mags"),
    base: text("a folder, a .gguf file or a hub id")
      .nullable()
      .default(null)
      .describe("the base model; default: that of initAdapter"),
    initAdapter: text("a folder or a hub id")
      .nullable()
      .default(null)
      .describe(
        "an adapter in PEFT's format to train on, with its modules, ranks and alphas, and its heads where they fit",
      ),
    out: text("a folder")
      .nullable()
      .default(null)
      .describe("the folder of the run, which must be new or empty"),
    validation: files("a file of MAGs")
      .default([])
      .describe("files of MAGs for validation, instead of a share of data"),
    validationShare: number(0, 0.9)
      .default(0.1)
      .describe("share of the questions that is held out for validation, by the seed"),
    mags: wholeNumber(1).nullable().default(null).describe("maximum number of MAGs, drawn by the seed"),
    agents: listOf("an agent").default([]).describe("only the nodes of these agents (default: all)"),
    nodes: oneOf(["correct", "all"]).default("all").describe("nodes to keep: only the correct ones, or all"),
    rounds: oneOf(["first", "all"])
      .default("all")
      .describe("rounds to keep: the first, before agents read each other, or all"),
    leaveOutGraphs: listOf("a graph type such as G3", (name) => /^G\d+$/.test(name))
      .default([])
      .describe("graph types to leave out, such as G3, with three rounds after the first"),
    balance: oneOf(["none", "files"])
      .default("none")
      .describe("files: repeat the MAGs of smaller files until all files have equally many"),
    chains: oneOf(["whole", "two-tasks"])
      .default("whole")
      .describe("whole: reasoning and answer; two-tasks: also the answer alone, with its own prompt"),
    maxTokens: wholeNumber(8)
      .nullable()
      .default(null)
      .describe(`maximum tokens of prompt and completion; default ${MAX_TOKENS}, or the base's positions`),
    tooLong: oneOf(["drop", "cut"])
      .default("drop")
      .describe(
        "longer nodes: drop them and their edges, or cut their end off; answers alone are always dropped",
      ),
  },
  losses: {
    losses: someOf(LOSSES)
      .default([...LOSSES])
      .describe("losses: likelihood, margin between scores, node classifier"),
    nllWeight: number(0, 1000).default(1).describe("weight of the likelihood loss"),
    marginWeight: number(0, 1000).default(0.1).describe("weight of the margin loss"),
    nodeWeight: number(0, 1000).default(1).describe("weight of the node loss"),
    margin: number(0, 2).default(1).describe("margin between the scores of correct and incorrect nodes"),
    scoreHead: oneOf(["linear", "mlp"])
      .default("linear")
      .describe("score head: the paper's, or the released code's"),
    scoreWidth: wholeNumber(1)
      .nullable()
      .default(null)
      .describe("width of an mlp score head; default: the base's hidden size"),
    nodeClassifier: oneOf(NODE_CLASSIFIERS)
      .default("gcn")
      .describe("graph convolutions, or attention over the nodes, or the tokens, that a node had read"),
    gcnWidth: wholeNumber(1).default(256).describe("width of the node classifier"),
    nodeHead: oneOf(["linear", "none"])
      .default("linear")
      .describe(
        "linear: a linear layer computes the logits; none: the second graph convolution, as in the released code",
      ),
    missingNodes: oneOf(["left-out", "third-class"])
      .default("left-out")
      .describe(
        "third-class: pad to three agents and four rounds with nodes of a third class, as in the released code",
      ),
    gcnDropout: number(0, 0.95)
      .default(0)
      .describe("dropout after the node classifier's first layer; 0.5 in the released code"),
    gcnDropoutWhenValidating: onOff()
      .default(false)
      .describe("apply it in validation too, as the released code does"),
    nodeFeatures: oneOf(["live", "frozen"])
      .default("live")
      .describe("live: the node loss trains the student; frozen: only the node classifier"),
    edges: oneOf(ADJACENCIES)
      .default("directed")
      .describe("edges as in the debate, both ways, or between all nodes"),
    pooling: oneOf(["tokens", "padded"])
      .default("tokens")
      .describe(
        "pooling weights: positions of tokens, or with left padding counted, as in the released code",
      ),
    pooledCentre: oneOf(["measured", "none"])
      .default("measured")
      .describe(
        "measured: subtract the mean of pooled vectors before training; none: as in the released code",
      ),
    questions: oneOf(["together", "apart"])
      .default("together")
      .describe("all losses of a step over the same questions, or apart, much as in the released code"),
    pairing: oneOf(["drawn", "in-order"])
      .default("drawn")
      .describe("pairs of a question: drawn each time, or in order, as in the released code"),
    lossOnPrompt: onOff()
      .default(false)
      .describe("train on the prompt's tokens too, as in the released code"),
  },
  adapter: {
    loraRank: wholeNumber(1, 4096).default(16).describe("rank of the adapters"),
    loraAlpha: numberThat(
      "a number from -100000 to 100000 other than 0",
      (alpha) => alpha !== 0 && Math.abs(alpha) <= 100_000,
    )
      .default(32)
      .describe("adapters' output is scaled by alpha / rank"),
    loraDropout: number(0, 0.95).default(0.05).describe("dropout on the adapters' input"),
    loraTargets: someOf([...LORA_TARGETS, ALL_LINEAR], 1)
      .transform((named) =>
        LORA_TARGETS.filter((target) => named.includes(ALL_LINEAR) || named.includes(target)),
      )
      .default(["q_proj", "v_proj"])
      .describe(`modules with an adapter: ${LORA_TARGETS.join(", ")}, or ${ALL_LINEAR}`),
  },
  optimiser: {
    learningRate: number(0, 1).default(2e-4).describe("peak learning rate; 2e-4 suits 135M, 5e-6 suits 7B"),
    headLearningRate: number(0, 1)
      .nullable()
      .default(null)
      .describe("peak learning rate of score head and node classifier; default: learningRate"),
    schedule: oneOf(SCHEDULES).default("cosine").describe("learning rate schedule after the warm-up"),
    warmupShare: number(0, 1).default(0.03).describe("share of the steps that are warm-up"),
    finalShare: number(0, 1).default(0).describe("final learning rate as a share of the peak"),
    weightDecay: number(0, 10).default(0).describe("decoupled weight decay of AdamW"),
    beta1: number(0, 0.999_999).default(0.9).describe("AdamW's decay of the first moment"),
    beta2: number(0, 0.999_999_9).default(0.999).describe("AdamW's decay of the second moment"),
    // With 0, a zero gradient would be 0 / 0.
    epsilon: number(1e-15, 1).default(1e-8).describe("added to AdamW's denominator"),
    clipNorm: number(0, 1e9).default(1).describe("maximum gradient norm; 0: no clipping"),
    batchSize: wholeNumber(1).default(16).describe("MAGs per optimiser step; chains if nll is the only loss"),
    epochs: wholeNumber(1).default(10).describe("passes over the training data"),
    maxSteps: wholeNumber(1).nullable().default(null).describe("maximum number of optimiser steps"),
    seed: wholeNumber(0, 4_294_967_295).default(0).describe("seed of all random draws"),
  },
  "validation and stopping": {
    validateEvery: wholeNumber(0).default(0).describe("steps between validations; 0: after each epoch"),
    patience: wholeNumber(0)
      .default(3)
      .describe("validations without improvement before stopping; 0: never stop early"),
    checkpointEvery: wholeNumber(0)
      .default(50)
      .describe("steps between checkpoints; 0: after each epoch only"),
  },
  machine: {
    microBatchTokens: wholeNumber(16)
      .default(1024)
      .describe("tokens per micro-batch, including padding; gradients are accumulated"),
    microBatchRows: wholeNumber(1)
      .default(64)
      .describe("maximum chains per micro-batch; a MAG is never split"),
    sharedPrompts: onOff()
      .default(true)
      .describe("compute the prompt of a MAG's chains only once; losses and gradients are the same"),
    recompute: onOff()
      .default(false)
      .describe("recompute activations in the backward pass: a third more time, far less memory"),
    baseDtype: oneOf(BASE_DTYPES)
      .default("fp32")
      .describe(
        "number format of the base; fp16 halves its memory; q8, on the CPU, computes its products and their gradients in 8 bits; adapters and sums stay in float32",
      ),
    device: oneOf(DEVICE_SETTINGS)
      .default("cpu")
      .describe("device; auto is the first of cuda, webgpu and cpu that works here"),
    threads: wholeNumber(1, 1024)
      .nullable()
      .default(null)
      .describe("threads (default: chosen by the device)"),
  },
  "what comes out": {
    export: onOff().default(true).describe("write the merged student folder at the end"),
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
