// The callers that have requests in the engine: the tokens that were computed for each, the decode rows that each holds
// and may hold, and who is served before whom. It knows nothing of what they ask.

/** Whoever requests are sent for, and shares the model with others. */
export interface EngineCaller {
  readonly name: string;
  /** Share of the model beside other callers: one of weight 2 gets twice the tokens and rows of one of weight 1. */
  readonly weight: number;
}

/** The caller of requests that name none. */
export const ONE_CALLER: EngineCaller = { name: "", weight: 1 };

interface Account {
  readonly weight: number;
  /** Requests that have not ended. */
  requests: number;
  /** Tokens computed for the caller, divided by its weight. */
  service: number;
  rows: number;
}

/**
 * Fair queueing over computed tokens, as the virtual token counter of "Fairness in Serving Large Language Models"
 * (arXiv 2401.00588): whoever was served least, for its weight, is next. An account lives as long as its caller has
 * requests; a new one starts level with the least served, so that nobody saves up service by asking nothing.
 */
export class FairShares {
  readonly #maxRows: number;
  /** Rows that there are to share. */
  #rows: number;
  readonly #accounts = new Map<string, Account>();

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
    this.#rows = maxRows;
  }

  /** Whether more than one caller has requests. */
  get contested(): boolean {
    return this.#accounts.size > 1;
  }

  /** Counts one more request of a caller, until `leave`. */
  enter({ name, weight }: EngineCaller): void {
    const known = this.#accounts.get(name);
    if (known !== undefined) known.requests++;
    else this.#accounts.set(name, { weight, requests: 1, service: this.#leastService(), rows: 0 });
  }

  leave(name: string): void {
    const account = this.#accounts.get(name);
    if (account !== undefined && --account.requests === 0) this.#accounts.delete(name);
  }

  charge(name: string, tokens: number): void {
    const account = this.#accounts.get(name);
    if (account !== undefined) account.service += tokens / account.weight;
  }

  /** Shares out `rows` rows, until rows are counted anew: memory may be too little for all. */
  limitRows(rows: number): void {
    this.#rows = Math.min(this.#maxRows, rows);
  }

  /** Counts anew who holds rows: a name for each row. */
  countRows(holders: Iterable<string>): void {
    this.#rows = this.#maxRows;
    for (const account of this.#accounts.values()) account.rows = 0;
    for (const name of holders) this.addRows(name, 1);
  }

  addRows(name: string, rows: number): void {
    const account = this.#accounts.get(name);
    if (account !== undefined) account.rows += rows;
  }

  /** How many more rows the caller may have before it has its share; negative above it. */
  rowsOwed(name: string): number {
    const account = this.#accounts.get(name);
    return account === undefined ? 0 : this.#share(account) - account.rows;
  }

  /** Whether `name` is served before `other`: with less service, or as much and fewer rows. */
  isBefore(name: string, other: string): boolean {
    const [a, b] = [this.#accounts.get(name), this.#accounts.get(other)];
    if (a === undefined || b === undefined) return false;
    return a.service === b.service ? a.rows < b.rows : a.service < b.service;
  }

  /** One row for each caller, and the others by weight: never more than there are, unless there are more callers. */
  #share({ weight }: Account): number {
    const spare = Math.max(0, this.#rows - this.#accounts.size);
    let weights = 0;
    for (const account of this.#accounts.values()) weights += account.weight;
    return 1 + Math.floor((spare * weight) / weights);
  }

  #leastService(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { service } of this.#accounts.values()) least = Math.min(least, service);
    return Number.isFinite(least) ? least : 0;
  }
}
