// AdamW, with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101), as torch.optim.AdamW computes it, and
// gradient clipping by the global norm, as torch.nn.utils.clip_grad_norm_. Parameters are named float32 arrays that are
// updated in place; the state is float32 too, so that a restored optimiser continues bit for bit.

import { MagdiError } from "../../base/errors.ts";

export type NamedFloats = ReadonlyMap<string, Float32Array>;

export interface AdamWOptions {
  /** The peak learning rate, of all parameters or of each by its key; a parameter whose rate is 0 is never updated. */
  readonly learningRate: number | ((key: string) => number);
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** torch.optim.AdamW's own defaults. */
export const ADAMW_DEFAULTS = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
} as const satisfies AdamWOptions;

/** The state of an optimiser between steps. */
export interface OptimiserState {
  /** Steps taken. */
  readonly step: number;
  /** Moving averages of each gradient and of its square, by the parameters' keys. */
  readonly mean: NamedFloats;
  readonly square: NamedFloats;
}

/** √Σ g² over all arrays. */
export function globalNorm(gradients: NamedFloats): number {
  let sum = 0;
  for (const gradient of gradients.values()) for (const value of gradient) sum += value * value;
  return Math.sqrt(sum);
}

/** Scales all gradients in place so that their global norm is at most `maxNorm`. Returns the norm before; gradients whose
 * norm is NaN or infinite are not scaled. */
export function clipGlobalNorm(gradients: NamedFloats, maxNorm: number): number {
  const norm = globalNorm(gradients);
  const factor = maxNorm / (norm + 1e-6);
  if (!Number.isFinite(norm) || factor >= 1) return norm;
  for (const gradient of gradients.values()) {
    for (let i = 0; i < gradient.length; i++) gradient[i]! *= factor;
  }
  return norm;
}

function zerosLike(arrays: NamedFloats): Map<string, Float32Array> {
  return new Map([...arrays].map(([key, values]) => [key, new Float32Array(values.length)]));
}

function assertSameKeys(what: string, parameters: NamedFloats, found: NamedFloats): void {
  const problems = [
    ...[...parameters]
      .filter(([key, { length }]) => found.get(key)?.length !== length)
      .map(
        ([key, { length }]) => `${key}: expected ${length} values, found ${found.get(key)?.length ?? "none"}`,
      ),
    ...[...found.keys()].filter((key) => !parameters.has(key)).map((key) => `${key}: not a parameter`),
  ];
  if (problems.length > 0) throw new MagdiError("MAGDI_BAD_FILE", `${what}: ${problems.join("; ")}`);
}

export class AdamW {
  readonly #options: AdamWOptions;
  readonly #parameters: NamedFloats;
  #mean: Map<string, Float32Array>;
  #square: Map<string, Float32Array>;
  #step = 0;

  /** Every step updates the parameters in place. */
  constructor(parameters: NamedFloats, options: Partial<AdamWOptions> = {}) {
    this.#options = { ...ADAMW_DEFAULTS, ...options };
    this.#parameters = parameters;
    this.#mean = zerosLike(parameters);
    this.#square = zerosLike(parameters);
  }

  /** One step: θ ← θ·(1 − η·λ), m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
   * θ ← θ − η/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε). A parameter without a gradient is not updated, as in PyTorch.
   * @param learningRateFactor the schedule's, by which every learning rate is multiplied */
  step(gradients: NamedFloats, learningRateFactor = 1): void {
    const { beta1, beta2, epsilon, weightDecay, learningRate } = this.#options;
    this.#step += 1;
    const meanCorrection = 1 - beta1 ** this.#step;
    const squareCorrection = Math.sqrt(1 - beta2 ** this.#step);
    for (const [key, parameter] of this.#parameters) {
      const gradient = gradients.get(key);
      const peakRate = typeof learningRate === "number" ? learningRate : learningRate(key);
      if (gradient === undefined || peakRate === 0) continue;
      const mean = this.#mean.get(key)!; // made for every parameter
      const square = this.#square.get(key)!;
      const rate = learningRateFactor * peakRate;
      const stepSize = rate / meanCorrection;
      const kept = 1 - rate * weightDecay;
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i]!;
        // Assignment rounds to float32, and the update uses the rounded values, as it would after a restore.
        mean[i] = mean[i]! + (1 - beta1) * (g - mean[i]!);
        square[i] = beta2 * square[i]! + (1 - beta2) * g * g;
        const size = Math.sqrt(square[i]!) / squareCorrection + epsilon;
        parameter[i] = parameter[i]! * kept - (stepSize * mean[i]!) / size;
      }
    }
  }

  /** A copy of the state. */
  state(): OptimiserState {
    const copy = (arrays: NamedFloats): NamedFloats =>
      new Map([...arrays].map(([key, values]) => [key, values.slice()]));
    return { step: this.#step, mean: copy(this.#mean), square: copy(this.#square) };
  }

  /** Continues from a saved state. @throws MAGDI_BAD_FILE naming every key that does not fit the parameters. */
  restore({ step, mean, square }: OptimiserState): void {
    assertSameKeys("the optimiser's running means", this.#parameters, mean);
    assertSameKeys("the optimiser's running squares", this.#parameters, square);
    this.#mean = new Map([...mean].map(([key, values]) => [key, values.slice()]));
    this.#square = new Map([...square].map(([key, values]) => [key, values.slice()]));
    this.#step = step;
  }
}
