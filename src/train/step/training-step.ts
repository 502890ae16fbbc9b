// The training step: runs the training graph over a base on one batch at a time. Parameters and gradients are in arrays that
// stay the same throughout. It knows no optimiser and no data format.

import { MagdiError } from "../../base/errors.ts";
import type { LoraOptions } from "../../nn/lora.ts";
import { type TrainingGraph, type TrainingLosses, trainingGraph } from "../../nn/training-graph.ts";
import { elementsOf } from "../../onnx/graph.ts";
import { OrtTensor } from "../../runtime/ort-tensor.ts";
import { Binding, type Session } from "../../runtime/session.ts";
import type { BaseModel } from "../../student/base-model.ts";
import { derivedSeed, dropoutMask, fillNoise } from "../batches/seeded-random.ts";
import type { TrainingBatch } from "../batches/training-batch.ts";
import { type BaseSessionOptions, BaseSessions } from "./base-session.ts";
import { floatTensor, integerTensor } from "./batch-tensors.ts";

/** What a step uses of a batch. A negative node label means none. */
export type StepBatch = Omit<TrainingBatch, "lengths" | "labelTokens">;

export type StepMode = "train" | "validate";

/** What the losses are divided by: an optimiser step of several batches gives each batch the counts of all. */
export interface StepCounts {
  readonly labelTokens: number;
  readonly pairs: number;
  readonly nodes: number;
}

export interface RunOptions {
  /** By default the batch's own: see countsOf. */
  readonly counts?: StepCounts;
  /** The seed of this run's dropout; by default the number of previous training runs. */
  readonly dropoutSeed?: number;
  /** Whether to return the pooled vectors. */
  readonly pooled?: boolean;
}

/** Unweighted losses, 0 for those that the step does not have, and their weighted total. */
export interface StepResult {
  readonly total: number;
  readonly nll: number;
  readonly margin: number;
  readonly node: number;
  /** Of this batch. */
  readonly counts: StepCounts;
  /** Nodes that the classifier classified correctly. */
  readonly nodesRight: number;
  /** [nodes, C], not centred; null unless asked for. */
  readonly pooled: Float32Array | null;
}

export interface TrainingStep {
  /** Computes losses, in mode "train" with dropout and gradients. One run at a time.
   * @throws MAGDI_RUNTIME when the device fails. */
  run(batch: StepBatch, mode: StepMode, options?: RunOptions): Promise<StepResult>;
  /** By key (adapters by PEFT key, then heads), initially zero. Writing into these arrays changes the student. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** By the same keys, overwritten by each training run; zero for a parameter that no loss depends on. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** Frees the device's memory and the files. Idempotent. */
  close(): void;
}

export interface TrainingStepOptions extends BaseSessionOptions {
  readonly lora: LoraOptions;
  readonly losses: TrainingLosses;
  /** See TrainingGraphOptions. */
  readonly recompute?: boolean;
  /** Whether batches have shared prompts. */
  readonly sharedPrompts?: boolean;
}

/** The counts of a batch by itself. */
export function countsOf(batch: StepBatch): StepCounts {
  return {
    labelTokens: batch.labelIds.length,
    pairs: batch.pairs.length / 2,
    nodes: batch.nodeLabels.filter((label) => label >= 0n).length,
  };
}

/** Opens a training step; the base may be closed afterwards.
 * @throws MAGDI_BAD_FILE for weights that are not finite, MAGDI_RUNTIME when the device refuses. */
export async function openTrainingStep(base: BaseModel, options: TrainingStepOptions): Promise<TrainingStep> {
  const sessions = await BaseSessions.write(base, options);
  try {
    const { lora, losses, recompute = false, sharedPrompts = false } = options;
    const plainNorms = options.device === "webgpu";
    const graphOf = (gradients: boolean): TrainingGraph =>
      trainingGraph(base.config, sessions.load, {
        lora,
        losses,
        gradients,
        recompute,
        sharedPrompts,
        plainNorms,
      });
    const step = new SessionStep(sessions, { train: graphOf(true), validate: graphOf(false) });
    await step.open("train");
    return step;
  } catch (error) {
    sessions.close();
    throw error;
  }
}

class SessionStep implements TrainingStep {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly #bases: BaseSessions;
  readonly #graphs: Readonly<Record<StepMode, TrainingGraph>>;
  readonly #sessions = new Map<StepMode, Session>();
  readonly #parameterTensors: ReadonlyMap<string, OrtTensor<"float32">>;
  readonly #gradientTensors: ReadonlyMap<string, OrtTensor<"float32">>;
  #trainingRuns = 0;
  #closed = false;

  constructor(bases: BaseSessions, graphs: Readonly<Record<StepMode, TrainingGraph>>) {
    this.#bases = bases;
    this.#graphs = graphs;
    const { parameters, gradients } = graphs.train;
    this.shapes = parameters;
    const zeros = (keys: readonly (readonly [string, readonly number[]])[]) =>
      new Map(keys.map(([key, shape]) => [key, OrtTensor.zeros("float32", shape)]));
    this.#parameterTensors = zeros([...parameters]);
    this.#gradientTensors = zeros([...parameters].filter(([key]) => gradients.has(key)));
    this.parameters = new Map([...this.#parameterTensors].map(([key, { data }]) => [key, data]));
    this.gradients = new Map(
      [...parameters].map(([key, shape]) => [
        key,
        this.#gradientTensors.get(key)?.data ?? new Float32Array(elementsOf(shape)),
      ]),
    );
  }

  async open(mode: StepMode): Promise<Session> {
    const opened = this.#sessions.get(mode);
    if (opened !== undefined) return opened;
    const session = await this.#bases.open(`training step (${mode})`, this.#graphs[mode].model);
    this.#sessions.set(mode, session);
    return session;
  }

  async run(batch: StepBatch, mode: StepMode, options: RunOptions = {}): Promise<StepResult> {
    if (this.#closed) throw new MagdiError("MAGDI_RUNTIME", "the training step is closed");
    const session = await this.open(mode);
    const graph = this.#graphs[mode];
    const counts = countsOf(batch);
    const own = this.#inputs(batch, graph, options);
    const results = resultTensors(graph, nodesOf(batch), session.outputNames, options.pooled === true);
    const gradients = [...graph.gradients].map(
      ([key, name]) => [name, this.#gradientTensors.get(key)!] as const,
    );
    const wanted = new Set(session.inputNames);
    const inputs = [...own, ...this.#parameterTensors].filter(([name]) => wanted.has(name));
    try {
      await session.run(
        new Binding(Object.fromEntries(inputs), Object.fromEntries([...results, ...gradients])),
      );
    } finally {
      for (const tensor of own.values()) tensor.release();
      for (const tensor of results.values()) tensor.release();
    }
    if (mode === "train") this.#trainingRuns += 1;
    const loss = (name: string): number => results.get(name)?.data[0] ?? 0;
    return {
      total: loss("total"),
      nll: loss("nll"),
      margin: loss("margin"),
      node: loss("node"),
      counts,
      nodesRight: nodesRight(results.get("node_logits"), batch.nodeLabels),
      pooled: results.get("pooled")?.data ?? null,
    };
  }

  #inputs(batch: StepBatch, graph: TrainingGraph, options: RunOptions): Map<string, OrtTensor> {
    const { rows, columns, shared } = batch;
    const nodes = nodesOf(batch);
    const counts = options.counts ?? countsOf(batch);
    // ONNX Runtime takes no empty arrays: without labels or pairs there is one dummy, with scale 0.
    const some = (values: BigInt64Array, length: number): BigInt64Array =>
      values.length > 0 ? values : new BigInt64Array(length);
    const scale = (own: number, all: number): OrtTensor => floatTensor([], [own > 0 ? 1 / all : 0]);
    const pairs = some(batch.pairs, 2);
    const labels = some(batch.labelIds, 1);
    const own = countsOf(batch);
    const inputs = new Map<string, OrtTensor>([
      ["input_ids", integerTensor([rows, columns], batch.tokenIds)],
      ["label_positions", integerTensor([labels.length], some(batch.labelPositions, 1))],
      ["label_ids", integerTensor([labels.length], labels)],
      ["nll_scale", scale(own.labelTokens, counts.labelTokens)],
      [
        "pooling_weights",
        floatTensor([nodes, shared === undefined ? columns : rows * columns], batch.poolingWeights),
      ],
      ["pairs", integerTensor([pairs.length / 2, 2], pairs)],
      ["margin_scale", scale(own.pairs, counts.pairs)],
      ["adjacency", floatTensor([nodes, nodes], batch.adjacency)],
      ["node_labels", integerTensor([nodes], batch.nodeLabels)],
      ["node_scale", scale(own.nodes, counts.nodes)],
    ]);
    if (shared !== undefined) {
      inputs.set("positions", integerTensor([rows, columns], shared.positions));
      inputs.set("chains", integerTensor([rows, columns], shared.chains));
    }
    if (graph.noiseColumns !== null) {
      const noise = OrtTensor.zeros("int32", [rows * columns, graph.noiseColumns]);
      fillNoise(noise.data, options.dropoutSeed ?? this.#trainingRuns);
      inputs.set("lora_noise", noise);
    }
    if (graph.nodeMask !== null) {
      const { width, share } = graph.nodeMask;
      const seed = derivedSeed(options.dropoutSeed ?? this.#trainingRuns, "nodes");
      inputs.set("node_mask", floatTensor([nodes, width], dropoutMask(nodes * width, share, seed)));
    }
    return inputs;
  }

  close(): void {
    if (this.#closed) return;
    this.#bases.close();
    this.#closed = true;
    for (const tensors of [this.#parameterTensors, this.#gradientTensors]) {
      for (const tensor of tensors.values()) tensor.release();
    }
  }
}

/** The number of nodes: one for each sequence, unless prompts are shared. */
const nodesOf = ({ rows, shared }: StepBatch): number => shared?.nodes ?? rows;

function resultTensors(
  graph: TrainingGraph,
  nodes: number,
  outputs: readonly string[],
  pooled: boolean,
): Map<string, OrtTensor<"float32">> {
  const results = new Map<string, OrtTensor<"float32">>();
  const wanted = ["total", "nll", "margin", "node", "node_logits", ...(pooled ? ["pooled"] : [])];
  for (const { name, shape } of graph.model.graph.outputs) {
    if (!wanted.includes(name) || !outputs.includes(name)) continue;
    const sizes = shape.map((size) => (typeof size === "number" ? size : nodes));
    results.set(name, OrtTensor.zeros("float32", sizes));
  }
  return results;
}

/** logits [B, K], labels [B] (negative: none) → rows whose largest logit is the label's */
function nodesRight(logits: OrtTensor<"float32"> | undefined, labels: BigInt64Array): number {
  if (logits === undefined) return 0;
  const [, classes = 0] = logits.shape;
  let right = 0;
  labels.forEach((label, row) => {
    const own = logits.data.subarray(row * classes, (row + 1) * classes);
    if (label >= 0n && own.indexOf(Math.max(...own)) === Number(label)) right += 1;
  });
  return right;
}
