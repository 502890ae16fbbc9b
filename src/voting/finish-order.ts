// Counts finished samples in a deterministic order: by length, then by index. Under load a sample may start late and so
// finish late; ordering by length makes the same seed give the same vote whatever else is running.

interface Held<T> {
  readonly index: number;
  readonly tokens: number;
  readonly value: T;
}

/**
 * Call it for each token and each end; it returns the finished samples that can be counted now.
 *
 * @example
 * const order = new FinishOrder<string>(2);
 * order.advanced(0); // []
 * order.finished(0, 1, "short"); // ["short"]: no other sample can precede it
 */
export class FinishOrder<T> {
  /** Tokens of each sample so far, by index. */
  readonly #lengths: number[] = [];
  readonly #running = new Set<number>();
  #held: Held<T>[] = [];

  /** The samples from index `first` to before `end`. */
  constructor(end: number, first = 0) {
    for (let index = first; index < end; index++) this.#running.add(index);
  }

  /** Whether all samples have ended; then all that finished were returned. */
  get complete(): boolean {
    return this.#running.size === 0;
  }

  /** The sample has one more token. It may turn out to be its last. */
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

  /** The sample was stopped and will not be counted: do not wait for it. */
  withdrawn(index: number): T[] {
    this.#running.delete(index);
    return this.#release();
  }

  /** All finished samples that are still held back, in order. */
  rest(): T[] {
    return this.#held.splice(0).map(({ value }) => value);
  }

  #release(): T[] {
    const isNext = ({ index, tokens }: Held<T>): boolean => {
      for (const other of this.#running) {
        // Within a step, tokens are reported by index: a later sample may still be one token behind.
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
