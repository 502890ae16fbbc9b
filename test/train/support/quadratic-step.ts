// A training step whose losses can be worked out by hand: for every label token ½‖θ − target(token)‖² (times a mask when
// it drops), so that the mean over tokens is quadratic in θ. Everything else about it is as the real one has it.

import { graphData } from "../../../src/train/batches/graph-data.ts";
import { seededRandom } from "../../../src/train/batches/seeded-random.ts";
import type { TrainingData } from "../../../src/train/batches/training-data.ts";
import type { TrainingUnit } from "../../../src/train/batches/training-unit.ts";
import {
  countsOf,
  type RunOptions,
  type StepBatch,
  type StepMode,
  type StepResult,
  type TrainingStep,
} from "../../../src/train/step/training-step.ts";

const KEY_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
const KEY_B = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
const SIZES: Readonly<Record<string, readonly number[]>> = {
  [KEY_A]: [2, 3],
  [KEY_B]: [3, 2],
  "score.weight": [1, 3],
};

export interface QuadraticOptions {
  /** Of the gradient that is dropped, as dropout does: it depends on the run's seed. */
  readonly dropout?: number;
  /** Called before each run with the number of runs before. */
  readonly onRun?: (runs: number, mode: StepMode) => void;
  /** Makes a loss or a gradient NaN at runs of training that it names. */
  readonly broken?: { readonly run: number; readonly what: "loss" | "gradient" };
}

export class QuadraticStep implements TrainingStep {
  readonly shapes = new Map(Object.entries(SIZES));
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly #options: QuadraticOptions;
  #runs = 0;

  constructor(options: QuadraticOptions = {}) {
    this.#options = options;
    const arrays = (value: number) =>
      new Map(
        [...this.shapes].map(([key, shape]) => [
          key,
          new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
        ]),
      );
    this.parameters = arrays(0.5);
    this.gradients = arrays(0);
  }

  async run(batch: StepBatch, mode: StepMode, options: RunOptions = {}): Promise<StepResult> {
    this.#options.onRun?.(this.#runs, mode);
    const own = countsOf(batch);
    const scale = 1 / (options.counts?.labelTokens ?? own.labelTokens);
    const random = seededRandom(options.dropoutSeed ?? 0);
    const kept = () => (mode === "train" && random() < (this.#options.dropout ?? 0) ? 0 : 1);
    const broken =
      mode === "train" && this.#options.broken?.run === this.#runs ? this.#options.broken.what : null;
    let loss = 0;
    let offset = 0;
    for (const [key, values] of this.parameters) {
      const gradient = this.gradients.get(key)!;
      if (mode === "train") gradient.fill(0);
      for (const id of batch.labelIds) {
        for (const [index, value] of values.entries()) {
          const difference = value - Math.sin(Number(id) + offset + index);
          loss += (scale * difference ** 2) / 2;
          if (mode === "train") gradient[index]! += kept() * scale * difference;
        }
      }
      offset += values.length;
    }
    if (broken === "gradient") this.gradients.get(KEY_B)![1] = Number.POSITIVE_INFINITY;
    if (broken === "loss") loss = Number.NaN;
    if (mode === "train") this.#runs += 1;
    return { total: loss, nll: loss, margin: 0, node: 0, counts: own, nodesRight: 0, pooled: null };
  }

  close(): void {}
}

/** Graphs of two right rows and a wrong one, of lengths that differ. */
export function randomUnits(count: number, seed: number): TrainingUnit[] {
  const random = seededRandom(seed);
  const whole = (below: number) => Math.floor(random() * below);
  return Array.from({ length: count }, (_, index): TrainingUnit => {
    const row = (label: 0 | 1) => ({
      tokenIds: Int32Array.from({ length: 3 + whole(9) }, () => whole(100)),
      promptLength: 2,
      label,
    });
    return { id: `mag-${index}`, rows: [row(1), row(0), row(1)], edges: [[0, 1]] };
  });
}

export function randomData(count: number, seed: number): TrainingData {
  return graphData({ all: randomUnits(count, seed) }, { adjacency: "directed" });
}
