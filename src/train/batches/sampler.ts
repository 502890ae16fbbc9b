// The order in which a run sees its items: every epoch all of them once, in an order of its own. It knows no items.

import { shuffled } from "../../mag/contrastive-pairs.ts";
import { derivedSeed, seededRandom } from "../step/seeded-random.ts";

export interface StepItems {
  /** From 0. */
  readonly epoch: number;
  readonly items: readonly number[];
  /** Whether the epoch ends with this step. */
  readonly endsEpoch: boolean;
}

/** Steps of `batchSize` items; an epoch's last may have fewer. Any step can be asked for, in any order. */
export class Sampler {
  readonly stepsPerEpoch: number;
  readonly #items: readonly number[];
  readonly #batchSize: number;
  readonly #seed: number;
  #order: { readonly epoch: number; readonly items: readonly number[] } | null = null;

  constructor(count: number, batchSize: number, seed: number) {
    this.#items = Array.from({ length: count }, (_, index) => index);
    this.#batchSize = batchSize;
    this.#seed = seed;
    this.stepsPerEpoch = Math.ceil(count / batchSize);
  }

  /** The items of optimiser step `step`, counted from 0. */
  at(step: number): StepItems {
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const within = step % this.stepsPerEpoch;
    if (this.#order?.epoch !== epoch) {
      const random = seededRandom(derivedSeed(this.#seed, "order", epoch));
      this.#order = { epoch, items: shuffled(this.#items, random) };
    }
    const first = within * this.#batchSize;
    return {
      epoch,
      items: this.#order.items.slice(first, first + this.#batchSize),
      endsEpoch: within === this.stepsPerEpoch - 1,
    };
  }
}
