// What the parameters are before the first step. Random: an adapter's A as Kaiming He's uniform and its B zero, so that the
// adapted student begins as its base, and the heads as PyTorch and PyTorch Geometric initialise them. Measured: the centre
// of the pooled vectors.

import { POOLED_CENTRE } from "../../nn/training-graph.ts";
import { BatchSampler } from "../batches/batch-sampler.ts";
import { derivedSeed, fillNoise } from "../batches/seeded-random.ts";
import { type BatchLimits, planBatches, type TrainingData } from "../batches/training-data.ts";
import type { TrainingStep } from "./training-step.ts";

/** The bound b of the uniform distribution on [-b, b) that a parameter is drawn from. */
function bound(
  key: string,
  shape: readonly number[],
  shapes: ReadonlyMap<string, readonly number[]>,
): number {
  if (key.endsWith(".lora_B.weight") || key === POOLED_CENTRE) return 0;
  const [rows = 1, columns = 1] = shape;
  if (key.startsWith("gcn.")) return key.endsWith(".bias") ? 0 : Math.sqrt(6 / (rows + columns));
  // A bias has the bound of its weight: 1/√(inputs), which is Kaiming's with a = √5.
  const inputs = key.endsWith(".bias") ? (shapes.get(key.replace(/bias$/, "weight"))?.[1] ?? 1) : columns;
  return 1 / Math.sqrt(inputs);
}

/** Writes the random initial values into the arrays. Each parameter depends on the seed and its own key only. */
export function initialiseParameters(
  parameters: ReadonlyMap<string, Float32Array>,
  shapes: ReadonlyMap<string, readonly number[]>,
  seed: number,
): void {
  for (const [key, values] of parameters) {
    const half = bound(key, shapes.get(key) ?? [], shapes);
    const bits = new Int32Array(values.length);
    fillNoise(bits, derivedSeed(seed, "initial", key));
    // Signed 32-bit integers over 2^31 are uniform on [-1, 1).
    for (let index = 0; index < values.length; index++) values[index] = half * (bits[index]! / 2 ** 31);
  }
}

/** Items that the centre is measured on: some hundred vectors, whose mean is close to that of all. */
const CENTRE_ITEMS = 64;

export interface PooledCentreOptions {
  readonly seed: number;
  readonly limits: BatchLimits;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** Sets the step's parameter POOLED_CENTRE, if it has one, to the mean pooled vector of randomly drawn items. Returns false
 * and leaves the parameter as it was when the signal aborts. @throws MAGDI_RUNTIME when the device fails. */
export async function fitPooledCentre(
  step: TrainingStep,
  data: TrainingData,
  { seed, limits, signal, onProgress }: PooledCentreOptions,
): Promise<boolean> {
  const centre = step.parameters.get(POOLED_CENTRE);
  if (centre === undefined) return true;
  const items = new BatchSampler(data.items.length, CENTRE_ITEMS, seed).itemsAt(0);
  const batches = planBatches(data, items, limits);
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
