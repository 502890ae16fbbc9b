// What may be spent in a day: sums of tokens and dollars that begin anew at midnight UTC. It is kept in memory alone, so
// that a restart begins a new day too.

import { MagdiError } from "../../base/errors.ts";

/** Null for no limit. */
export interface DailyLimits {
  readonly tokens: number | null;
  readonly usd: number | null;
}

export interface Spent {
  readonly tokens: number;
  readonly usd: number;
}

const DAY_MS = 86_400_000;
/** Beyond this the account that spent first is forgotten; the sum of all still holds. */
const MOST_ACCOUNTS = 10_000;
const NOTHING: Spent = { tokens: 0, usd: 0 };

export class DailyBudget {
  readonly #all: DailyLimits;
  readonly #perAccount: DailyLimits;
  readonly #wallMs: () => number;
  #day = Number.NaN;
  #total = NOTHING;
  readonly #accounts = new Map<string, Spent>();

  /** `wallMs` is milliseconds since 1970. */
  constructor(all: DailyLimits, perAccount: DailyLimits, wallMs: () => number) {
    this.#all = all;
    this.#perAccount = perAccount;
    this.#wallMs = wallMs;
  }

  /** An account of null is nobody's: it counts in the sum of all alone. */
  add(account: string | null, { tokens, usd }: Spent): void {
    this.#turnDay();
    this.#total = { tokens: this.#total.tokens + tokens, usd: this.#total.usd + usd };
    if (account === null) return;
    const before = this.#accounts.get(account) ?? NOTHING;
    this.#accounts.set(account, { tokens: before.tokens + tokens, usd: before.usd + usd });
    const [first] = this.#accounts.keys();
    if (this.#accounts.size > MOST_ACCOUNTS && first !== undefined) this.#accounts.delete(first);
  }

  /** What an account may still spend today, never below 0; null for no limit. */
  left(account: string | null): DailyLimits {
    this.#turnDay();
    const own = account === null ? null : (this.#accounts.get(account) ?? NOTHING);
    const least = (kind: keyof Spent): number | null => {
      const lefts = [
        { limit: this.#all[kind], spent: this.#total[kind] },
        { limit: own === null ? null : this.#perAccount[kind], spent: own?.[kind] ?? 0 },
      ].flatMap(({ limit, spent }) => (limit === null ? [] : [Math.max(0, limit - spent)]));
      return lefts.length === 0 ? null : Math.min(...lefts);
    };
    return { tokens: least("tokens"), usd: least("usd") };
  }

  hasLeft(account: string | null): boolean {
    const { tokens, usd } = this.left(account);
    return tokens !== 0 && usd !== 0;
  }

  /** @throws MagdiError MAGDI_DEBATE_BUDGET, with the seconds to midnight */
  assertLeft(account: string | null): void {
    if (this.hasLeft(account)) return;
    const seconds = Math.ceil((DAY_MS - (this.#wallMs() % DAY_MS)) / 1000);
    throw new MagdiError(
      "MAGDI_DEBATE_BUDGET",
      `what debates may cost today is spent; the next day begins at midnight UTC, in ${seconds} s`,
      { details: { retry_after_seconds: seconds } },
    );
  }

  #turnDay(): void {
    const day = Math.floor(this.#wallMs() / DAY_MS);
    if (day === this.#day) return;
    this.#day = day;
    this.#total = NOTHING;
    this.#accounts.clear();
  }
}
