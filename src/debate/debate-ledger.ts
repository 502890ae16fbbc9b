// What calls came to: tokens and money by agent, as the agents count them, and the most that calls may have cost that
// do not say.

import { MagdiError } from "../base/errors.ts";
import type { Agent, TokenPrices } from "./agent.ts";
import type { CallLine } from "./call-journal.ts";

export interface AgentSums {
  /** All attempts. */
  readonly calls: number;
  readonly failedCalls: number;
  /** Calls that may have been charged for and did not say their tokens. */
  readonly unreportedCalls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Of the reported tokens; null without prices. */
  readonly usd: number | null;
}

export type Priced = Pick<Agent, "name" | "prices" | "maxTokens">;

export interface Budget {
  /** Null for no limit. */
  readonly maxTokens: number | null;
  readonly maxUsd: number | null;
}

interface Sums {
  calls: number;
  failedCalls: number;
  unreportedCalls: number;
  promptTokens: number;
  completionTokens: number;
  /** The most that unreported calls can have taken. */
  boundPromptTokens: number;
  boundCompletionTokens: number;
}

export class DebateLedger {
  readonly #agents: ReadonlyMap<string, { readonly agent: Priced; readonly sums: Sums }>;

  constructor(agents: readonly Priced[], lines: Iterable<CallLine> = []) {
    this.#agents = new Map(agents.map((agent) => [agent.name, { agent, sums: noSums() }]));
    for (const line of lines) this.add(line);
  }

  /** A call of an agent that takes part no longer is passed over. */
  add(line: CallLine): void {
    const found = this.#agents.get(line.agent);
    if (found === undefined) return;
    const { agent, sums } = found;
    sums.calls += 1;
    sums.failedCalls += Number(line.error !== null);
    sums.promptTokens += line.prompt_tokens ?? 0;
    sums.completionTokens += line.completion_tokens ?? 0;
    const isRefused = line.status !== null && line.status >= 400; // nobody charges for these
    if (isRefused || (line.prompt_tokens !== null && line.completion_tokens !== null)) return;
    sums.unreportedCalls += 1;
    // A token is at least a byte of the prompt.
    if (line.prompt_tokens === null)
      sums.boundPromptTokens += Buffer.byteLength(JSON.stringify(line.request));
    if (line.completion_tokens === null) sums.boundCompletionTokens += agent.maxTokens;
  }

  byAgent(): ReadonlyMap<string, AgentSums> {
    return new Map(
      [...this.#agents].map(([name, { agent, sums }]) => {
        const { boundPromptTokens, boundCompletionTokens, ...reported } = sums;
        return [name, { ...reported, usd: usdOf(agent.prices, sums.promptTokens, sums.completionTokens) }];
      }),
    );
  }

  /** Reported tokens, and for calls that do not say the most that they can have taken. */
  get mostTokens(): number {
    return this.#sum(
      ({ sums }) =>
        sums.promptTokens + sums.completionTokens + sums.boundPromptTokens + sums.boundCompletionTokens,
    );
  }

  /** The same in money. Agents without prices count as free. */
  get mostUsd(): number {
    return this.#sum(
      ({ agent: { prices }, sums }) =>
        usdOf(
          prices,
          sums.promptTokens + sums.boundPromptTokens,
          sums.completionTokens + sums.boundCompletionTokens,
        ) ?? 0,
    );
  }

  /** @throws MagdiError MAGDI_CANCELLED when the budget is used up */
  assertWithin({ maxTokens, maxUsd }: Budget): void {
    if (maxTokens !== null && this.mostTokens >= maxTokens) {
      throw new MagdiError("MAGDI_CANCELLED", `--max-tokens ${maxTokens} are used up`);
    }
    if (maxUsd !== null && this.mostUsd >= maxUsd) {
      throw new MagdiError("MAGDI_CANCELLED", `--max-cost ${maxUsd} is used up`);
    }
  }

  #sum(amountOf: (one: { readonly agent: Priced; readonly sums: Sums }) => number): number {
    return [...this.#agents.values()].reduce((sum, one) => sum + amountOf(one), 0);
  }
}

/** Null without both prices. */
export function usdOf(prices: TokenPrices, promptTokens: number, completionTokens: number): number | null {
  const { inputUsdPerMillion, outputUsdPerMillion } = prices;
  if (inputUsdPerMillion === null || outputUsdPerMillion === null) return null;
  return (promptTokens * inputUsdPerMillion + completionTokens * outputUsdPerMillion) / 1e6;
}

const noSums = (): Sums => ({
  calls: 0,
  failedCalls: 0,
  unreportedCalls: 0,
  promptTokens: 0,
  completionTokens: 0,
  boundPromptTokens: 0,
  boundCompletionTokens: 0,
});
