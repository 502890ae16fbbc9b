// What parameters are before training: A of an adapter uniform as Kaiming He's, B zero, so that the adapted student
// begins as its base; the heads as PyTorch and PyTorch Geometric begin them; the centre that they see vectors from, zero.

import { POOLED_CENTRE } from "../../nn/training-graph.ts";
import { fillNoise } from "./dropout-noise.ts";
import { derivedSeed } from "./seeded-random.ts";

/** The half-width of the uniform distribution that a parameter starts from. */
function bound(
  key: string,
  shape: readonly number[],
  shapes: ReadonlyMap<string, readonly number[]>,
): number {
  if (key.endsWith(".lora_B.weight") || key === POOLED_CENTRE) return 0;
  const [rows = 1, columns = 1] = shape;
  if (key.startsWith("gcn.")) return key.endsWith(".bias") ? 0 : Math.sqrt(6 / (rows + columns));
  // A bias has its weight's: 1/√(inputs), which Kaiming's with a = √5 comes to.
  const inputs = key.endsWith(".bias") ? (shapes.get(key.replace(/bias$/, "weight"))?.[1] ?? 1) : columns;
  return 1 / Math.sqrt(inputs);
}

/** Writes the initial values into the arrays. Each parameter depends on the seed and its own key alone. */
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
