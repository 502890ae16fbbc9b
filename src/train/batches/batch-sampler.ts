// Which items each optimiser step takes: every epoch goes through all items once, in a random order of its own. It does not
// know what the items are.

import { shuffled } from "../../mag/contrastive-pairs.ts";
import { derivedSeed, seededRandom } from "./seeded-random.ts";

/** Steps of `batchSize` items; the last step of an epoch may have fewer. Steps can be asked for in any order. */
export class BatchSampler {
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
  itemsAt(step: number): readonly number[] {
    const epoch = Math.floor(step / this.stepsPerEpoch);
    if (this.#order?.epoch !== epoch) {
      const random = seededRandom(derivedSeed(this.#seed, "order", epoch));
      this.#order = { epoch, items: shuffled(this.#items, random) };
    }
    const first = (step % this.stepsPerEpoch) * this.#batchSize;
    return this.#order.items.slice(first, first + this.#batchSize);
  }
}
