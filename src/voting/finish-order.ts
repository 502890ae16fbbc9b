// The order in which finished samples are counted: by length, then by index, whatever order they finished in. A
// sample that had to wait for room finishes late under load; its vote counts as if it had not, so that the same seed
// gives the same vote among any strangers. It knows no answers.

interface Held<T> {
  readonly index: number;
  readonly tokens: number;
  readonly value: T;
}

/**
 * Samples report each token and their end, as they happen; what comes back may be counted now.
 * @example
 * const order = new FinishOrder<string>(2);
 * order.advanced(0); // []
 * order.finished(0, 1, "short"); // ["short"]: no other can end before it
 */
export class FinishOrder<T> {
  /** Tokens of each sample whose reports are complete. */
  readonly #lengths: number[];
  readonly #running: Set<number>;
  #held: Held<T>[] = [];

  constructor(samples: number) {
    this.#lengths = new Array<number>(samples).fill(0);
    this.#running = new Set(this.#lengths.keys());
  }

  /** The sample has one more token; whether it ends with it is not known yet. */
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

  /** The sample was stopped by somebody: nobody waits for it. */
  withdrawn(index: number): T[] {
    this.#running.delete(index);
    return this.#release();
  }

  /** Everything that is still held, in order, for who cannot wait. */
  rest(): T[] {
    return this.#held.splice(0).map(({ value }) => value);
  }

  #release(): T[] {
    const isNext = ({ index, tokens }: Held<T>): boolean => {
      for (const other of this.#running) {
        // Samples of one step report by index: a later one may still be a token behind.
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
