// Gradient accumulation: several batches that count as one, of an optimiser step or of a validation. Losses are means over
// all of them, and gradients are summed. It knows no optimiser.

import { MagdiError } from "../../base/errors.ts";
import { isOfClassifier } from "../../nn/node-classifier.ts";
import { derivedSeed } from "../batches/seeded-random.ts";
import { type BatchLimits, planBatches, type TrainingData } from "../batches/training-data.ts";
import { countsOf, type StepCounts, type StepMode, type TrainingStep } from "./training-step.ts";

export interface Accumulated {
  /** Means over all batches; total is their weighted sum. */
  readonly total: number;
  readonly nll: number;
  readonly margin: number;
  readonly node: number;
  /** Tokens without padding. */
  readonly tokens: number;
  /** Labelled nodes, and how many of them have the most frequent label. */
  readonly nodes: number;
  readonly commonest: number;
  /** Labelled nodes that the classifier saw, and how many it classified correctly. */
  readonly classified: number;
  readonly nodesRight: number;
}

export interface BatchesToRun {
  readonly step: TrainingStep;
  readonly data: TrainingData;
  /** Indices into the data's items. */
  readonly items: readonly number[];
  readonly mode: StepMode;
  readonly limits: BatchLimits;
  /** For error messages, such as "step 3". */
  readonly place: string;
  /** The seed of what batches draw, such as pairs. */
  readonly batchSeed: number;
  readonly dropoutSeed: number;
  readonly signal: AbortSignal;
  /** Called after each batch with the names of its items. */
  readonly onBatch?: (names: readonly string[], step: TrainingStep) => void;
}

/** Null when the signal aborts between two batches. @throws MAGDI_DIVERGED when a loss is not finite. */
export async function runBatches(run: BatchesToRun): Promise<Accumulated | null> {
  const { step, data, mode, place, signal } = run;
  const batches = planBatches(data, run.items, run.limits).map(({ group, items }, index) => ({
    group,
    names: items.map((item) => data.items[item]!.name), // items come from the same data
    batch: data.batch(items, derivedSeed(run.batchSeed, index)),
  }));
  const counts = new Map<string, StepCounts>();
  for (const { group, batch } of batches) counts.set(group, added(counts.get(group), countsOf(batch)));
  const sum = {
    total: 0,
    nll: 0,
    margin: 0,
    node: 0,
    tokens: 0,
    nodes: 0,
    commonest: 0,
    classified: 0,
    nodesRight: 0,
  };
  const labels = new Map<bigint, number>();
  const classifies = [...step.parameters.keys()].some(isOfClassifier);
  for (const [index, { group, names, batch }] of batches.entries()) {
    if (signal.aborted) return null;
    const result = await step.run(batch, mode, {
      counts: counts.get(group)!, // set above
      dropoutSeed: derivedSeed(run.dropoutSeed, index),
    });
    for (const name of ["total", "nll", "margin", "node"] as const) {
      if (!Number.isFinite(result[name])) throw diverged(`the ${name} loss is ${result[name]}`, place, names);
      sum[name] += result[name];
    }
    for (const length of batch.lengths) sum.tokens += length;
    sum.nodes += result.counts.nodes;
    for (const label of batch.nodeLabels) {
      if (label >= 0n) labels.set(label, (labels.get(label) ?? 0) + 1);
    }
    sum.commonest = Math.max(0, ...labels.values());
    if (classifies) sum.classified += result.counts.nodes;
    sum.nodesRight += result.nodesRight;
    run.onBatch?.(names, step);
  }
  return sum;
}

function added(before: StepCounts | undefined, counts: StepCounts): StepCounts {
  return {
    labelTokens: (before?.labelTokens ?? 0) + counts.labelTokens,
    pairs: (before?.pairs ?? 0) + counts.pairs,
    nodes: (before?.nodes ?? 0) + counts.nodes,
  };
}

function diverged(what: string, place: string, names: readonly string[]): MagdiError {
  return new MagdiError(
    "MAGDI_DIVERGED",
    `${place}: ${what}, in the batch of ${names.join(", ")}; a lower learning rate or a longer warm-up may help; the last checkpoint is kept`,
  );
}

/** The sum of the gradients of several batches. */
export class GradientSum {
  readonly sum: ReadonlyMap<string, Float32Array>;

  constructor(like: ReadonlyMap<string, Float32Array>) {
    this.sum = new Map([...like].map(([key, values]) => [key, new Float32Array(values.length)]));
  }

  /** Adds the step's current gradients. @throws MAGDI_DIVERGED naming the parameter when a value is not finite. */
  add(step: TrainingStep, place: string, names: readonly string[]): void {
    for (const [key, sums] of this.sum) {
      const gradient = step.gradients.get(key)!; // keys are the gradients'
      let probe = 0;
      for (let index = 0; index < sums.length; index++) {
        const value = gradient[index]!; // of one length
        probe += value * 0;
        sums[index]! += value;
      }
      if (probe !== 0) throw diverged(`the gradient of ${key} has values that are not finite`, place, names);
    }
  }
}
