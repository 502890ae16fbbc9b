// What the pooled vectors of a run's items have in common before its first step: the mean over a drawn part of them. It
// moves no other parameter.

import { POOLED_CENTRE } from "../../nn/training-graph.ts";
import { Sampler } from "../batches/sampler.ts";
import { planBatches, type TrainingData } from "../batches/training-data.ts";
import { batchLimits, type TrainingSettings } from "../run/training-settings.ts";
import type { TrainingStep } from "./training-step.ts";

/** Items that it is measured on: some hundred vectors, whose mean is near that of all. */
const ITEMS = 64;

export interface PooledCentreOptions {
  readonly settings: Pick<TrainingSettings, "seed" | "microBatchRows" | "microBatchTokens">;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** Writes the mean into the step's parameter POOLED_CENTRE, where it has one. False when the signal came before the end,
 * and the parameter is as it was. @throws MAGDI_RUNTIME when the device fails. */
export async function fitPooledCentre(
  step: TrainingStep,
  data: TrainingData,
  { settings, signal, onProgress }: PooledCentreOptions,
): Promise<boolean> {
  const centre = step.parameters.get(POOLED_CENTRE);
  if (centre === undefined) return true;
  const { items } = new Sampler(data.items.length, ITEMS, settings.seed).at(0);
  const batches = planBatches(data, items, batchLimits(settings));
  const sum = new Float64Array(centre.length);
  let nodes = 0;
  for (const [index, batch] of batches.entries()) {
    if (signal.aborted) return false;
    onProgress(index, batches.length);
    const { pooled } = await step.run(data.batch(batch.items, 0), "validate", { pooled: true });
    const values = pooled ?? [];
    for (const [at, value] of values.entries()) sum[at % sum.length]! += value;
    nodes += values.length / sum.length;
  }
  centre.set(sum.map((total) => total / nodes));
  return true;
}
