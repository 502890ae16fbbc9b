// The time that an experiment still takes, learned from what is under way: seconds for a token of training and for a sample of
// an answer.

export type Kind = "training" | "answers";

export class TimeLeft {
  readonly #later: Record<Kind, number>;
  readonly #rates: Record<Kind, number | null> = { training: null, answers: null };

  /** Tokens of training and samples of answers that are still to come. */
  constructor(later: Readonly<Record<Kind, number>>) {
    this.#later = { ...later };
  }

  /** Something of this kind begins: it is no longer among what comes later. */
  begin(kind: Kind, amount: number): void {
    this.#later[kind] = Math.max(0, this.#later[kind] - amount);
  }

  /** Seconds for all, when `amount` of this kind is under way and takes `seconds`; null before there is a rate for the rest. */
  report(kind: Kind, amount: number, seconds: number): number | null {
    if (amount > 0) this.#rates[kind] = seconds / amount;
    const kinds = Object.keys(this.#later) as Kind[]; // its own keys
    return kinds.reduce<number | null>((sum, one) => {
      const rate = this.#rates[one];
      if (this.#later[one] === 0 || sum === null) return sum;
      return rate === null ? null : sum + rate * this.#later[one];
    }, seconds);
  }
}
