// Puts finished samples into an order that does not depend on load: by length, then by index. A sample that waited for
// a free row finishes later under load; in this order the same seed still gives the same vote.

interface Held<T> {
  readonly index: number;
  readonly tokens: number;
  readonly value: T;
}

/**
 * Call it for each token and each end of a sample; it returns the samples whose turn it is to be counted.
 * @example
 * const order = new FinishOrder<string>(2);
 * order.advanced(0); // []
 * order.finished(0, 1, "short"); // ["short"]: no other sample can come before it
 */
export class FinishOrder<T> {
  /** Tokens reported so far, by sample. */
  readonly #lengths: number[];
  readonly #running: Set<number>;
  #held: Held<T>[] = [];

  constructor(samples: number) {
    this.#lengths = new Array<number>(samples).fill(0);
    this.#running = new Set(this.#lengths.keys());
  }

  /** The sample has one more token; it may also end with it. */
  advanced(index: number): T[] {
    const released = this.#release();
    this.#lengths[index] = (this.#lengths[index] ?? 0) + 1;
    return released;
  }

  finished(index: number, tokens: number, value: T): T[] {
    this.#running.delete(index);
    this.#held.push({ index, tokens, value });
    this.#held.sort((a, b) => a.tokens - b.tokens || a.index - b.index);
    return this.#release();
  }

  /** The sample was cancelled: it is not waited for. */
  withdrawn(index: number): T[] {
    this.#running.delete(index);
    return this.#release();
  }

  /** All held samples, in order, without waiting for running ones. */
  rest(): T[] {
    return this.#held.splice(0).map(({ value }) => value);
  }

  #release(): T[] {
    const isNext = ({ index, tokens }: Held<T>): boolean => {
      for (const other of this.#running) {
        // The samples of a step report by index, so a later one may be a token behind.
        const needed = other < index ? tokens : tokens - 1;
        if ((this.#lengths[other] ?? 0) < needed) return false;
      }
      return true;
    };
    let count = 0;
    while (count < this.#held.length && isNext(this.#held[count]!)) count += 1;
    return this.#held.splice(0, count).map(({ value }) => value);
  }
}
