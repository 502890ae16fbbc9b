// SmoothQuant (Xiao et al. 2022, arXiv 2211.10438): scales input channels of matrix products down, in the norm's weight
// or the rows that produce them, and the columns that take them up. The model computes the same, but its activations
// lose their outliers, so that they can be quantised.

import type { BaseModel, BaseTensor } from "./base-model.ts";
import type { InputMaxima } from "./calibration.ts";

/** Factors for the rows and columns of a matrix, or for the values of a vector as rows. */
interface Factors {
  rows: Float32Array | null;
  columns: Float32Array | null;
}

/** Lower bound of a channel's magnitude. */
const MIN_MAGNITUDE = 1e-5;

class Smoothing {
  readonly #base: BaseModel;
  readonly #factors = new Map<string, Factors>();

  constructor(base: BaseModel) {
    this.#base = base;
  }

  /** Multiplies the columns of `consumers` by √(input / weight) of each channel. Channels with the same `shared` index,
   * because one row produces them, get one factor.
   * @returns the factors [K], by which the producer must be divided */
  balance(
    maxima: Float32Array,
    consumers: readonly string[],
    shared?: (channel: number) => number,
  ): Float32Array {
    const weights = this.#columnMaxima(consumers);
    const of = shared ?? ((channel: number) => channel);
    const inputs = new Float32Array(maxima.length);
    const largest = new Float32Array(maxima.length);
    for (let channel = 0; channel < maxima.length; channel++) {
      inputs[of(channel)] = Math.max(inputs[of(channel)]!, maxima[channel]!);
      largest[of(channel)] = Math.max(largest[of(channel)]!, weights[channel]!);
    }
    const factors = maxima.map((_, channel) => {
      const [input, weight] = [inputs[of(channel)]!, largest[of(channel)]!];
      return Math.sqrt(Math.max(input, MIN_MAGNITUDE) / Math.max(weight, MIN_MAGNITUDE));
    });
    for (const name of consumers) this.#of(name).columns = factors;
    return factors;
  }

  /** Divides a vector, or a matrix' rows and its bias, by the factors. */
  divide(name: string, factors: Float32Array): void {
    if (this.#base.tensors.has(name)) this.#of(name).rows = factors.map((factor) => 1 / factor);
  }

  tensors(): Map<string, BaseTensor> {
    const tensors = new Map(this.#base.tensors);
    for (const [name, factors] of this.#factors) {
      const tensor = this.#base.tensors.get(name)!; // only existing tensors get factors
      const { shape, sourceBits } = tensor;
      const readFloat32 = (): Float32Array => multiplied(tensor.readFloat32(), factors);
      tensors.set(name, { shape, sourceBits, readFloat32, readGrid: null });
    }
    return tensors;
  }

  #of(name: string): Factors {
    const factors = this.#factors.get(name) ?? { rows: null, columns: null };
    this.#factors.set(name, factors);
    return factors;
  }

  /** The largest magnitude of each column [K], over all of the matrices. */
  #columnMaxima(names: readonly string[]): Float32Array {
    const columns = this.#base.tensors.get(names[0] ?? "")?.shape[1] ?? 0;
    const maxima = new Float32Array(columns);
    for (const name of names) {
      const values = this.#base.tensors.get(name)!.readFloat32(); // checked against the configuration
      for (let at = 0; at < values.length; at += columns) {
        for (let column = 0; column < columns; column++) {
          maxima[column] = Math.max(maxima[column]!, Math.abs(values[at + column]!));
        }
      }
    }
    return maxima;
  }
}

function multiplied(values: Float32Array, { rows, columns }: Factors): Float32Array {
  const width = columns?.length ?? (rows === null ? 1 : values.length / rows.length);
  return values.map((value, at) => {
    const row = Math.floor(at / width);
    return value * (rows?.[row] ?? 1) * (columns?.[at - row * width] ?? 1);
  });
}

/** The smoothed model. The LM head's input stays as it is: its weight is stored in blocks, to which outliers do less
 * harm. */
export function smoothQuant(base: BaseModel, maxima: InputMaxima): BaseModel {
  const { config } = base;
  const smoothing = new Smoothing(base);
  const inputOf = (name: string): Float32Array => maxima.get(name)!; // every product's input was observed
  const perGroup = config.heads / config.keyValueHeads;
  for (let layer = 0; layer < config.layers; layer++) {
    const attention = `model.layers.${layer}.self_attn`;
    const mlp = `model.layers.${layer}.mlp`;
    const weights = (parent: string, modules: readonly string[]): string[] =>
      modules.map((module) => `${parent}.${module}.weight`);
    const queries = weights(attention, ["q_proj", "k_proj", "v_proj"]);
    smoothing.divide(
      `model.layers.${layer}.input_layernorm.weight`,
      smoothing.balance(inputOf(`${attention}.q_proj`), queries),
    );
    // Query heads of one group share a value head: their channels come from the same row.
    const valueRow = (channel: number): number => {
      const head = Math.floor(channel / config.headSize);
      return Math.floor(head / perGroup) * config.headSize + (channel % config.headSize);
    };
    const attended = smoothing.balance(
      inputOf(`${attention}.o_proj`),
      [`${attention}.o_proj.weight`],
      valueRow,
    );
    const values = new Float32Array(config.keyValueHeads * config.headSize);
    attended.forEach((factor, channel) => {
      values[valueRow(channel)] = factor;
    });
    for (const part of ["weight", "bias"]) smoothing.divide(`${attention}.v_proj.${part}`, values);
    smoothing.divide(
      `model.layers.${layer}.post_attention_layernorm.weight`,
      smoothing.balance(inputOf(`${mlp}.gate_proj`), weights(mlp, ["gate_proj", "up_proj"])),
    );
    const fed = smoothing.balance(inputOf(`${mlp}.down_proj`), [`${mlp}.down_proj.weight`]);
    for (const part of ["weight", "bias"]) smoothing.divide(`${mlp}.up_proj.${part}`, fed);
  }
  return { ...base, tensors: smoothing.tensors() };
}
