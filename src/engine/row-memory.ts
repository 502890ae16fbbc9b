// The memory of decode rows where it is too little for all of them to be full: how many tokens each row may come to and has
// come to. It decides whether another sequence fits, whether one may go on, and which pages go back to the system; it knows
// no sequences.

/** What decode rows may hold together. */
export interface RowBudget {
  /** At least rowCost(contextLength, pageTokens), so that any sequence fits alone. */
  readonly tokens: number;
  /** Tokens of one head's keys that share a page: memory is taken and given back by so many. */
  readonly pageTokens: number;
}

/** Tokens that a row of `tokens` tokens takes in whole pages: its ends may share pages with other rows. */
export const rowCost = (tokens: number, pageTokens: number): number =>
  Math.ceil(tokens / pageTokens) * pageTokens + pageTokens;

/**
 * The sum over rows of what each may come to, or of what an earlier sequence left in it if that is more, never exceeds the
 * budget. What was left is given back only when it is needed, so that it costs nothing while rows are short.
 */
export class RowMemory {
  readonly #budget: RowBudget | null;
  readonly #release: (row: number, fromToken: number) => void;
  /** By row, what its sequence may come to, in tokens; 0 of a free row. */
  readonly #promised: number[];
  /** By row, what sequences before may have left in it, in cost. */
  readonly #left: number[];

  /** `release` gives back what a row holds from a token on. */
  constructor(rows: number, budget: RowBudget | null, release: (row: number, fromToken: number) => void) {
    this.#budget = budget;
    this.#release = release;
    this.#promised = new Array(rows).fill(0);
    this.#left = new Array(rows).fill(0);
  }

  /** Whether a row may be taken for `tokens` tokens, with `spare` tokens left for others. */
  hasRoom(tokens: number, spare = 0): boolean {
    if (this.#budget === null) return true;
    return this.#cost(tokens) + spare + this.#promisedCost() <= this.#budget.tokens;
  }

  /** Gives a row to a sequence of at most `tokens` tokens: only where hasRoom(tokens), and before it is written to. */
  take(row: number, tokens: number): void {
    this.#left[row] = this.#held(row);
    this.#promised[row] = tokens;
    this.#reclaim();
  }

  /** Tokens that a row in use may come to. */
  promisedTo(row: number): number {
    return this.#promised[row] ?? 0;
  }

  /** Lets a row in use come to `tokens` tokens; false, and nothing is changed, where there is no memory for it. */
  grow(row: number, tokens: number): boolean {
    const before = this.promisedTo(row);
    if (tokens <= before) return true;
    if (this.#budget !== null) {
      const more = this.#cost(tokens) - this.#cost(before);
      if (this.#promisedCost() + more > this.#budget.tokens) return false;
    }
    this.#promised[row] = tokens;
    this.#reclaim();
    return true;
  }

  /** Row `to` has got what row `from` held, which holds nothing any more. */
  move(from: number, to: number): void {
    this.#left[to] = this.#held(to);
    this.#promised[to] = this.#promised[from] ?? 0;
    this.#promised[from] = 0;
    this.#left[from] = 0;
  }

  /** The row's sequence has ended. */
  free(row: number): void {
    this.#left[row] = this.#held(row);
    this.#promised[row] = 0;
  }

  #promisedCost(): number {
    let sum = 0;
    for (const promised of this.#promised) sum += this.#cost(promised);
    return sum;
  }

  /** Has rows give back what was left in them until all is within the budget. */
  #reclaim(): void {
    if (this.#budget === null) return;
    let excess = -this.#budget.tokens;
    for (let at = 0; at < this.#promised.length; at++) excess += this.#held(at);
    // Free rows first, whose pages nobody reads.
    for (const free of [true, false]) {
      for (let at = 0; at < this.#promised.length && excess > 0; at++) {
        if ((this.#promised[at] === 0) === free) excess -= this.#shrink(at);
      }
    }
  }

  /** Gives back what a row holds beyond its promise; returns how much that was. */
  #shrink(row: number): number {
    const promised = this.#promised[row] ?? 0;
    const gained = this.#held(row) - this.#cost(promised);
    if (gained > 0) this.#release(row, promised);
    this.#left[row] = 0;
    return gained;
  }

  #held(row: number): number {
    return Math.max(this.#left[row] ?? 0, this.#cost(this.#promised[row] ?? 0));
  }

  #cost(tokens: number): number {
    return this.#budget === null || tokens === 0 ? 0 : rowCost(tokens, this.#budget.pageTokens);
  }
}
