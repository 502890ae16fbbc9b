// Balances a base model for products of rounded rows: what is large in a channel of an input is divided out before it,
// in a norm's weight or in the rows that made the channel, and multiplied into the columns that take it. The model
// computes the same; its inputs lose their outliers (SmoothQuant, Xiao et al. 2022, arXiv 2211.10438).

import type { BaseModel, BaseTensor } from "./base-model.ts";
import type { InputMaxima } from "./calibration.ts";

/** What a tensor is multiplied with: rows and columns of a matrix, or the values of a vector as its rows. */
interface Factors {
  rows: Float32Array | null;
  columns: Float32Array | null;
}

/** Below these, a channel says nothing of its size. */
const SMALLEST = 1e-5;

class Smoothing {
  readonly #base: BaseModel;
  readonly #factors = new Map<string, Factors>();

  constructor(base: BaseModel) {
    this.#base = base;
  }

  /** Moves √(input / weight) of each channel from the input into the columns of `takers`. Channels of which `shared`
   * says the same, because one row makes them, get one factor.
   * @returns the factors of the input's channels [K] */
  balance(
    maxima: Float32Array,
    takers: readonly string[],
    shared?: (channel: number) => number,
  ): Float32Array {
    const weights = this.#columnMaxima(takers);
    const of = shared ?? ((channel: number) => channel);
    const inputs = new Float32Array(maxima.length);
    const largest = new Float32Array(maxima.length);
    for (let channel = 0; channel < maxima.length; channel++) {
      inputs[of(channel)] = Math.max(inputs[of(channel)]!, maxima[channel]!);
      largest[of(channel)] = Math.max(largest[of(channel)]!, weights[channel]!);
    }
    const factors = maxima.map((_, channel) => {
      const [input, weight] = [inputs[of(channel)]!, largest[of(channel)]!];
      return Math.sqrt(Math.max(input, SMALLEST) / Math.max(weight, SMALLEST));
    });
    for (const name of takers) this.#of(name).columns = factors;
    return factors;
  }

  /** Divides a vector, or a matrix' rows and its bias, by the factors. */
  divide(name: string, factors: Float32Array): void {
    if (this.#base.tensors.has(name)) this.#of(name).rows = factors.map((factor) => 1 / factor);
  }

  tensors(): Map<string, BaseTensor> {
    const tensors = new Map(this.#base.tensors);
    for (const [name, factors] of this.#factors) {
      const tensor = this.#base.tensors.get(name)!; // only what is there is given factors
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

/** The same model with balanced inputs. The vocabulary's stay, because it is stored in blocks, which outliers hurt
 * less. */
export function smoothed(base: BaseModel, maxima: InputMaxima): BaseModel {
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
    // Query heads of one group read the same values: their channels come from one row.
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
