// The graph of a training step: the decoder with adapters over a batch of right-padded sequences, the losses, and the
// gradient of every parameter. Without gradients it is the graph of validation. It knows no optimiser.

import { gradients, stopGradient } from "../onnx/gradient.ts";
import type { Model, Value } from "../onnx/graph.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { decoder, vocabularyHead } from "./decoder.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import { adapterShapes, type LoraOptions, noiseColumns, withLora } from "./lora.ts";
import { marginLoss, nodeLoss, tokenLoss } from "./losses.ts";
import { HALF_LOSS_SCALE, withFloat32Between } from "./mixed-precision.ts";
import { type NodeClassifier, nodeClassifier, nodeClassifierShapes } from "./node-classifier.ts";
import { pool, poolAnywhere } from "./pooling.ts";
import { type ScoreHead, scoreHead, scoreHeadShapes } from "./score-head.ts";
import { withSeparateLinears } from "./separate-linears.ts";
import type { WeightLoader } from "./serving-graph.ts";
import { plainNorm, trainingContext } from "./training-context.ts";

/** The losses of a graph; null leaves one out, together with its inputs, head and gradients. */
export interface TrainingLosses {
  readonly nll: { readonly weight: number } | null;
  readonly margin: { readonly weight: number; readonly margin: number; readonly head: ScoreHead } | null;
  readonly node: {
    readonly weight: number;
    /** Whether gradients of the loss reach the student ("live") or only the classifier ("frozen"). */
    readonly features: "live" | "frozen";
    readonly classifier: NodeClassifier;
    /** Dropout after the classifier's first layer; the released code applies it in validation too. */
    readonly dropout?: { readonly share: number; readonly whenValidating: boolean };
  } | null;
  /** Whether POOLED_CENTRE, which no loss trains, is subtracted from the pooled vectors before both heads. */
  readonly centred?: boolean;
}

/** The parameter [C] that centres pooled vectors: these are long and nearly parallel, and their common part drowns their
 * differences. */
export const POOLED_CENTRE = "pooled.centre";

export interface TrainingGraphOptions {
  readonly lora: LoraOptions;
  readonly losses: TrainingLosses;
  /** Without gradients, adapters have no dropout either: the graph validates. */
  readonly gradients: boolean;
  /** Activation checkpointing by layer: a third more time, a fraction of the memory. */
  readonly recompute?: boolean;
  /** Norms made of elementary operators: see plainNorm. */
  readonly plainNorms?: boolean;
  /** A sequence holds several nodes after the prompt that they share, which is computed once. */
  readonly sharedPrompts?: boolean;
}

export interface TrainingGraph {
  readonly model: Model;
  /** Shapes of the parameters that are inputs, by key: adapters by PEFT key, then heads. */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
  /** The output with each parameter's gradient; a parameter that no loss depends on has none. */
  readonly gradients: ReadonlyMap<string, Value>;
  /** Columns of the input lora_noise int32 [B·T, columns]; null without dropout. */
  readonly noiseColumns: number | null;
  /** Of the input node_mask float32 [B, width], whose values are 0 or 1 / (1 - share); null without dropout. */
  readonly nodeMask: { readonly width: number; readonly share: number } | null;
}

/** The shapes of all parameters of a step, by key: adapters by PEFT key, then the heads of the losses it has. */
export function trainingParameters(
  config: DecoderConfig,
  lora: LoraOptions,
  losses: TrainingLosses,
): Map<string, readonly number[]> {
  const { hiddenSize } = config;
  return new Map([
    ...adapterShapes(config, lora),
    ...(isCentred(losses) ? [[POOLED_CENTRE, [hiddenSize]] as const] : []),
    ...(losses.margin === null ? [] : scoreHeadShapes(losses.margin.head, hiddenSize)),
    ...(losses.node === null ? [] : nodeClassifierShapes(losses.node.classifier, hiddenSize)),
  ]);
}

const hasPooling = ({ margin, node }: TrainingLosses): boolean => margin !== null || node !== null;
const isCentred = (losses: TrainingLosses): boolean => losses.centred === true && hasPooling(losses);

/** Inputs: input_ids int64 [B, T], a sequence for each node; the parameters; and for the losses it has
 * nll: label_positions int64 [L] (b·T + t of the token before the label), label_ids int64 [L], nll_scale [];
 * margin: pairs int64 [P, 2] (a correct row, an incorrect row), margin_scale [];
 * node: adjacency [B, B] (Â, over all graphs of the batch), node_labels int64 [B] (negative: none), node_scale [];
 * margin or node: pooling_weights [B, T]; dropout: lora_noise int32 [B·T, noiseColumns], node_mask [B, width].
 * With sharedPrompts there are S sequences of B nodes: input_ids, positions and chains int64 [S, T] (see SharedPrompts),
 * label_positions s·T + t, pooling_weights [B, S·T], lora_noise [S·T, noiseColumns].
 * Outputs: total [] and nll, margin, node [] (before their weights), pooled [B, C] (not centred), scores [B],
 * node_logits [B, classes], gradient.{key}. */
export function trainingGraph(
  config: DecoderConfig,
  load: WeightLoader,
  options: TrainingGraphOptions,
): TrainingGraph {
  const { lora, losses, recompute = false, sharedPrompts = false } = options;
  const g = new GraphBuilder();
  const sequences = [sharedPrompts ? "sequences" : "batch_size", "sequence_length"];
  const perToken = (name: string): Value => g.input(name, "int64", sequences);
  const ids = perToken("input_ids");
  const shared = sharedPrompts ? { positions: perToken("positions"), chains: perToken("chains") } : null;
  const parameters = trainingParameters(config, lora, losses);
  for (const [key, shape] of parameters) g.input(key, "float32", shape);
  const columns = options.gradients && lora.dropout > 0 ? noiseColumns(config, lora) : null;
  const noise = columns === null ? null : g.input("lora_noise", "int32", ["tokens", columns]);
  const loaded = load(g);
  const lossScale = loaded.floats === "float16" ? HALF_LOSS_SCALE : 1;
  const weights = withLora(withFloat32Between(g, withSeparateLinears(g, loaded)), config, lora, noise);
  const norm = options.plainNorms === true ? plainNorm : op.simplifiedLayerNormalization;
  const context = trainingContext(g, ids, config, weights, recompute, shared, norm);
  const hidden = decoder(g, ids, config, weights, context);

  const terms: Value[] = [];
  const term = (name: "nll" | "margin" | "node", weight: number, build: (scale: Value) => Value): void => {
    const scale = g.input(`${name}_scale`, "float32", []);
    const loss = g.scoped(`losses.${name}`, () => build(scale));
    g.node("Identity", [loss], { outputs: [name] });
    g.output(name, "float32", []);
    terms.push(op.mul(g, loss, g.float(weight)));
  };
  if (losses.nll !== null) {
    const positions = g.input("label_positions", "int64", ["labels"]);
    const labels = g.input("label_ids", "int64", ["labels"]);
    term("nll", losses.nll.weight, (scale) => tokenLoss(g, hidden, weights.head, positions, labels, scale));
  }
  let pooled: Value = "";
  if (hasPooling(losses)) {
    const places = sharedPrompts ? "tokens" : "sequence_length";
    const shares = g.input("pooling_weights", "float32", ["batch_size", places]);
    pooled = g.scoped("pooling", () =>
      sharedPrompts
        ? poolAnywhere(g, hidden, shares)
        : pool(g, hidden, shares, context.batchShape, config.hiddenSize),
    );
    g.node("Identity", [pooled], { outputs: ["pooled"] });
    g.output("pooled", "float32", ["batch_size", config.hiddenSize]);
    if (isCentred(losses)) pooled = op.sub(g, pooled, POOLED_CENTRE);
  }
  if (losses.margin !== null) {
    const { weight, margin, head } = losses.margin;
    const pairs = g.input("pairs", "int64", ["pairs", 2]);
    const scores = g.scoped("score_head", () => scoreHead(g, pooled, head));
    g.node("Identity", [scores], { outputs: ["scores"] });
    g.output("scores", "float32", ["batch_size"]);
    term("margin", weight, (scale) => marginLoss(g, scores, pairs, margin, scale));
  }
  let nodeMask: TrainingGraph["nodeMask"] = null;
  if (losses.node !== null) {
    const { weight, features, classifier, dropout } = losses.node;
    if (dropout !== undefined && dropout.share > 0 && (options.gradients || dropout.whenValidating)) {
      nodeMask = { width: classifier.width, share: dropout.share };
      g.input("node_mask", "float32", ["batch_size", classifier.width]);
    }
    const isMasked = nodeMask !== null;
    const adjacency = g.input("adjacency", "float32", ["batch_size", "batch_size"]);
    const labels = g.input("node_labels", "int64", ["batch_size"]);
    const reached = (x: Value): Value => (features === "frozen" ? stopGradient(g, x) : x);
    const logits = g.scoped("node_classifier", () => {
      const graph = {
        nodes: reached(pooled),
        hidden: reached(hidden),
        poolingWeights: "pooling_weights",
        adjacency,
        afterFirst: (x: Value) => (isMasked ? op.mul(g, x, "node_mask") : x),
      };
      return nodeClassifier(g, graph, classifier);
    });
    g.node("Identity", [logits], { outputs: ["node_logits"] });
    g.output("node_logits", "float32", ["batch_size", classifier.classes]);
    term("node", weight, (scale) => nodeLoss(g, logits, labels, classifier.classes, scale));
  }
  const loss = terms.length === 0 ? g.float(0) : terms.reduce((sum, term) => op.add(g, sum, term));
  g.node("Identity", [loss], { outputs: ["total"] });
  g.output("total", "float32", []);
  const reached = options.gradients ? reachedParameters(parameters, adapterShapes(config, lora), losses) : [];
  const scaled = lossScale === 1 ? loss : op.mul(g, loss, g.float(lossScale));
  const byParameter = gradients(g, scaled, reached);
  const outputs = new Map(
    reached.map((key) => {
      const output = `gradient.${key}`;
      const gradient = byParameter.get(key) ?? "";
      if (lossScale === 1) g.node("Identity", [gradient], { outputs: [output] });
      else g.node("Mul", [gradient, g.float(1 / lossScale)], { outputs: [output] });
      g.output(output, "float32", parameters.get(key) ?? []);
      return [key, output] as const;
    }),
  );
  g.pruneUnused();
  const model = g.build("magdi_training");
  return { model, parameters, gradients: outputs, noiseColumns: columns, nodeMask };
}

/** The parameters that the losses depend on: a frozen node loss trains its classifier only, every other loss the adapters
 * too, and none the centre. */
function reachedParameters(
  parameters: ReadonlyMap<string, unknown>,
  adapters: ReadonlyMap<string, unknown>,
  { nll, margin, node }: TrainingLosses,
): string[] {
  const student = nll !== null || margin !== null || node?.features === "live";
  return [...parameters.keys()].filter((key) => key !== POOLED_CENTRE && (student || !adapters.has(key)));
}

/** The forward pass alone: input_ids int64 [B, T] and the adapters → logits [B, T, V]. Without `lora` it is the base. */
export function forwardGraph(config: DecoderConfig, load: WeightLoader, lora: LoraOptions | null): Model {
  const g = new GraphBuilder();
  const ids = g.input("input_ids", "int64", ["batch_size", "sequence_length"]);
  let weights = load(g);
  if (lora !== null) {
    for (const [key, shape] of adapterShapes(config, lora)) g.input(key, "float32", shape);
    weights = withLora(weights, config, lora, null);
  }
  const context = trainingContext(g, ids, config, weights, false);
  const logits = vocabularyHead(g, decoder(g, ids, config, weights, context), config, weights);
  const shape = op.concatenate(g, [context.batchShape, g.ints([config.vocabSize])]);
  g.node("Reshape", [logits, shape], { outputs: ["logits"] });
  g.output("logits", "float32", ["batch_size", "sequence_length", config.vocabSize]);
  g.pruneUnused();
  return g.build("magdi_forward");
}
