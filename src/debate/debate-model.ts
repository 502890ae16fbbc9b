// What a debate of a further question is expected to come to, learned from debates that are over: how often one goes on
// into the next round, and what an answer and its prompt take. Few debates of a data set borrow from those of the others.

import { mean } from "../eval/measures/distribution.ts";
import { type Priced, usdOf } from "./debate-ledger.ts";
import type { DebateOutline, NodeOutline } from "./debate-outline.ts";

export type PricedAgent = Pick<Priced, "name" | "prices">;

export interface CostSums {
  readonly calls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Null when an agent has no prices. */
  readonly usd: number | null;
}

export const NO_COST: CostSums = { calls: 0, promptTokens: 0, completionTokens: 0, usd: 0 };

export function addCosts(a: CostSums, b: CostSums, factor = 1): CostSums {
  return {
    calls: a.calls + factor * b.calls,
    promptTokens: a.promptTokens + factor * b.promptTokens,
    completionTokens: a.completionTokens + factor * b.completionTokens,
    usd: a.usd === null || b.usd === null ? null : a.usd + factor * b.usd,
  };
}

/** What a debate took, at these prices. Calls that failed for good are calls. */
export function costOf({ nodes, missing }: DebateOutline, agents: readonly PricedAgent[]): CostSums {
  const spoken = nodes.map(({ agent, promptTokens, completionTokens }) =>
    costOfCall(
      agents.find(({ name }) => name === agent),
      promptTokens ?? 0,
      completionTokens ?? 0,
    ),
  );
  return spoken.reduce((sum, one) => addCosts(sum, one), { ...NO_COST, calls: missing.length });
}

function costOfCall(
  agent: PricedAgent | undefined,
  promptTokens: number,
  completionTokens: number,
): CostSums {
  const usd = agent === undefined ? null : usdOf(agent.prices, promptTokens, completionTokens);
  return { calls: 1, promptTokens, completionTokens, usd };
}

/** A token of English is about four bytes: where all debates had questions of one length. */
const TOKENS_PER_BYTE = 0.25;
/** A share of what follows weighs as much as so many debates of the wider group. */
const PRIOR_DEBATES = 2;

interface AgentMeans {
  /** In round 0. */
  readonly prompt: number;
  readonly completion: number;
  /** In a later round: it hears one round, the one before. */
  readonly laterCompletion: number;
  /** Of a later prompt, what is more than in round 0; null when none was seen. */
  readonly heard: number | null;
}

export class DebateModel {
  readonly #groups: readonly (readonly DebateOutline[])[];
  readonly #agents: readonly PricedAgent[];
  readonly #rounds: number;
  readonly #tokensPerByte: number;
  /** Generated tokens of a later round over those of round 0. */
  readonly #laterRatio: number;
  readonly #shareGoingOn: (group: number, round: number) => number;

  /** `groups`: debates by data set, none empty. `rounds` after round 0, at most. */
  constructor(groups: readonly (readonly DebateOutline[])[], agents: readonly PricedAgent[], rounds: number) {
    this.#groups = groups;
    this.#agents = agents;
    this.#rounds = rounds;
    this.#tokensPerByte = tokensPerByte(groups);
    const nodes = groups.flatMap((group) => group.flatMap((debate) => debate.nodes));
    const { completion: alone } = tokensOf(nodes.filter(({ round }) => round === 0));
    const { completion: later } = tokensOf(nodes.filter(({ round }) => round > 0));
    this.#laterRatio = alone === null || later === null || alone === 0 ? 1 : later / alone;
    this.#shareGoingOn = goingOn(groups);
  }

  /** The share of a group's further debates that end in each round, from round 0. */
  ending(group: number): number[] {
    const reach = this.#reach(group);
    return reach.map((share, round) => share - (reach[round + 1] ?? 0));
  }

  /** What debates of further questions of a group come to. `bytes`: the questions' lengths. */
  expected(group: number, bytes: readonly number[]): CostSums {
    if (bytes.length === 0) return NO_COST;
    const debates = this.#groups[group]!; // one of them
    const longer = mean(bytes) - mean(debates.map(({ questionBytes }) => questionBytes));
    const means = this.#agents.map(({ name }) => this.#meansOf(debates, name));
    const roundBefore = means.reduce((sum, { completion }) => sum + completion, 0);
    let debate = NO_COST;
    for (const [round, share] of this.#reach(group).entries()) {
      for (const [index, agent] of this.#agents.entries()) {
        const { prompt, completion, laterCompletion, heard } = means[index]!; // one for each
        const more = longer * this.#tokensPerByte + (round === 0 ? 0 : (heard ?? roundBefore));
        const call = costOfCall(
          agent,
          Math.max(0, prompt + more),
          round === 0 ? completion : laterCompletion,
        );
        debate = addCosts(debate, call, share);
      }
    }
    return addCosts(NO_COST, debate, bytes.length);
  }

  /** The share of debates that come to each round. */
  #reach(group: number): number[] {
    const reach = [1];
    for (let round = 0; round < this.#rounds; round++) {
      reach.push(reach[round]! * this.#shareGoingOn(group, round));
    }
    return reach;
  }

  /** Of an agent that was in none of these debates: those of all others together. */
  #meansOf(debates: readonly DebateOutline[], agent: string): AgentMeans {
    const all = debates.flatMap(({ nodes }) => nodes);
    const own = all.filter((node) => node.agent === agent);
    const nodes = own.length > 0 ? own : all;
    const { prompt, completion } = tokensOf(nodes.filter(({ round }) => round === 0));
    const later = tokensOf(nodes.filter(({ round }) => round > 0));
    return {
      prompt: prompt ?? 0,
      completion: completion ?? 0,
      laterCompletion: later.completion ?? (completion ?? 0) * this.#laterRatio,
      heard: later.prompt === null ? null : later.prompt - (prompt ?? 0),
    };
  }
}

/** Means of the calls that say. */
function tokensOf(nodes: readonly NodeOutline[]) {
  const known = (of: (node: NodeOutline) => number | null) => {
    const values = nodes.map(of).filter((value) => value !== null);
    return values.length === 0 ? null : mean(values);
  };
  return {
    prompt: known(({ promptTokens }) => promptTokens),
    completion: known(({ completionTokens }) => completionTokens),
  };
}

/**
 * The share of a group's debates in a round that go on into the next. Each share is drawn towards that of all groups in this
 * round, and this towards that of all rounds, as by `PRIOR_DEBATES` further debates.
 */
function goingOn(groups: readonly (readonly DebateOutline[])[]): (group: number, round: number) => number {
  // By group and round: debates that could have gone on, and those that did.
  const counts = groups.map((debates) => {
    const at: { in: number; on: number }[] = [];
    for (const { rounds, consensus, nodes } of debates) {
      // At the last round without consensus it was ended by --rounds, unless nobody spoke.
      const isEnd = consensus || !nodes.some(({ round }) => round === rounds);
      for (let round = 0; round < rounds + Number(isEnd); round++) {
        at[round] ??= { in: 0, on: 0 };
        at[round]!.in += 1;
        at[round]!.on += Number(round < rounds);
      }
    }
    return at;
  });
  const sum = (of: readonly ({ in: number; on: number } | undefined)[]) =>
    of.reduce<{ in: number; on: number }>(
      (total, one) => ({ in: total.in + (one?.in ?? 0), on: total.on + (one?.on ?? 0) }),
      { in: 0, on: 0 },
    );
  const all = sum(counts.flat());
  const ofAll = (all.on + 0.5) / (all.in + 1);
  const drawn = (own: { in: number; on: number }, towards: number) =>
    (own.on + PRIOR_DEBATES * towards) / (own.in + PRIOR_DEBATES);
  return (group, round) => {
    const ofRound = drawn(sum(counts.map((at) => at[round])), ofAll);
    return groups.length === 1 ? ofRound : drawn(sum([counts[group]?.[round]]), ofRound);
  };
}

/** By how much a longer question makes a prompt longer: least squares within data sets and agents. */
function tokensPerByte(groups: readonly (readonly DebateOutline[])[]): number {
  let covariance = 0;
  let variance = 0;
  for (const debates of groups) {
    const points = debates.flatMap(({ nodes, questionBytes: bytes }) =>
      nodes.flatMap(({ round, agent, promptTokens: tokens }) =>
        round === 0 && tokens !== null ? [{ agent, bytes, tokens }] : [],
      ),
    );
    for (const agent of new Set(points.map((point) => point.agent))) {
      const own = points.filter((point) => point.agent === agent);
      const meanBytes = mean(own.map(({ bytes }) => bytes));
      for (const { bytes, tokens } of own) {
        covariance += (bytes - meanBytes) * tokens;
        variance += (bytes - meanBytes) ** 2;
      }
    }
  }
  return variance === 0 ? TOKENS_PER_BYTE : Math.min(1, Math.max(0, covariance / variance));
}
