// What debates of all questions will come to, from debates that are over, with an interval.

import { sampleRandom } from "../engine/random.ts";
import { quantile } from "../eval/measures/distribution.ts";
import type { Question } from "../eval/question-formats.ts";
import { addCosts, type CostSums, costOf, DebateModel, NO_COST, type PricedAgent } from "./debate-model.ts";
import { type DebateOutline, questionBytes } from "./debate-outline.ts";

export interface EstimateOptions {
  readonly questions: readonly Question[];
  /** Debates that are over: of these questions, or of others. */
  readonly debates: readonly DebateOutline[];
  readonly agents: readonly PricedAgent[];
  /** Rounds after round 0, at most. */
  readonly rounds: number;
}

export interface DebateEstimate {
  readonly sums: CostSums;
  /** 95 %; null where a data set has a single debate. */
  readonly interval: { readonly low: CostSums; readonly high: CostSums } | null;
  /** How many of the questions end in each round, from round 0. */
  readonly ending: readonly number[];
  /** Where the numbers come from, by data set. */
  readonly sources: readonly EstimateSource[];
}

export interface EstimateSource {
  readonly dataset: string;
  readonly questions: number;
  /** Of them those whose own debate is over. */
  readonly over: number;
  readonly debates: number;
  /** Debates of the same data set, of the same task, or none: then it is not in the estimate. */
  readonly of: "dataset" | "task" | "nothing";
}

/** The questions of a data set, and the debates that are like theirs. */
interface Part extends EstimateSource {
  readonly like: readonly DebateOutline[];
  readonly own: readonly DebateOutline[];
  /** The lengths of the questions that have no debate of their own. */
  readonly open: readonly number[];
}

const MOST_RESAMPLES = 500;
const LEAST_RESAMPLES = 100;
/** Of debates and questions: with more, fewer resamples tell as much. */
const MOST_DRAWS = 5_000_000;
const SEED = 0;

/** Debates that are over count as they were; each of the others with what is expected of one of its data set. */
export function estimateDebates({ questions, debates, agents, rounds }: EstimateOptions): DebateEstimate {
  const all = [...new Set(questions.map(({ dataset }) => dataset))].map((dataset) =>
    partOf(dataset, questions, debates),
  );
  const parts = all.filter(({ of }) => of !== "nothing");
  const model = new DebateModel(
    parts.map(({ like }) => like),
    agents,
    rounds,
  );
  const known = sumOf(parts.flatMap(({ own }) => own.map((debate) => costOf(debate, agents))));
  const expected = parts.map(({ open }, index) => model.expected(index, open));
  return {
    sums: sumOf([known, ...expected]),
    interval: intervalOf(parts, known, agents, rounds),
    ending: Array.from({ length: rounds + 1 }, (_, round) =>
      parts.reduce((sum, { own, open }, index) => {
        const over = own.filter((debate) => Math.min(debate.rounds, rounds) === round).length;
        return sum + over + open.length * (model.ending(index)[round] ?? 0);
      }, 0),
    ),
    sources: all.map(({ dataset, questions: count, over, debates: of, of: kind }) => ({
      ...{ dataset, questions: count, over, debates: of, of: kind },
    })),
  };
}

function partOf(dataset: string, questions: readonly Question[], debates: readonly DebateOutline[]): Part {
  const asked = questions.filter((question) => question.dataset === dataset);
  const ofDataset = debates.filter((debate) => debate.dataset === dataset);
  const byId = new Map(ofDataset.map((debate) => [debate.id, debate]));
  const own = asked.flatMap(({ id }) => byId.get(id) ?? []);
  const tasks = new Set(asked.map(({ task }) => task));
  const like = ofDataset.length > 0 ? ofDataset : debates.filter(({ task }) => tasks.has(task));
  return {
    ...{ dataset, like, own, questions: asked.length, over: own.length, debates: like.length },
    of: ofDataset.length > 0 ? "dataset" : like.length > 0 ? "task" : "nothing",
    open: asked.filter(({ id }) => !byId.has(id)).map(questionBytes),
  };
}

/**
 * Percentiles over debates that are drawn from those that are over, one less than there are, which has the variance of their
 * mean (Rao and Wu 1988), with as many further draws as questions are open.
 */
function intervalOf(
  parts: readonly Part[],
  known: CostSums,
  agents: readonly PricedAgent[],
  rounds: number,
): DebateEstimate["interval"] {
  if (parts.every(({ open }) => open.length === 0)) return { low: known, high: known };
  if (parts.some(({ like, open }) => open.length > 0 && like.length < 2)) return null;
  const costs = parts.map(({ like }) => like.map((debate) => costOf(debate, agents)));
  const means = costs.map((of) => addCosts(NO_COST, sumOf(of), 1 / of.length));
  const random = sampleRandom(SEED, 0);
  const drawn = <T>(from: readonly T[], count: number): T[] =>
    Array.from({ length: count }, () => from[Math.floor(random.nextFloat() * from.length)]!);
  const perResample = parts.reduce((sum, { like, open }) => sum + like.length + open.length, 1);
  const resamples = Math.max(LEAST_RESAMPLES, Math.min(MOST_RESAMPLES, Math.floor(MOST_DRAWS / perResample)));
  const totals = Array.from({ length: resamples }, () => {
    const groups = parts.map(({ like }) => drawn(like, Math.max(1, like.length - 1)));
    const model = new DebateModel(groups, agents, rounds);
    return parts.reduce((sum, { open }, index) => {
      const scatter = addCosts(sumOf(drawn(costs[index]!, open.length)), means[index]!, -open.length);
      return addCosts(addCosts(sum, model.expected(index, open)), scatter);
    }, known);
  });
  const at = (share: number): CostSums => {
    const of = (sum: keyof CostSums) => {
      const values = totals.map((total) => total[sum] ?? Number.NaN).sort((a, b) => a - b);
      return Math.max(known[sum] ?? 0, quantile(values, share));
    };
    const usd = totals.every((total) => total.usd !== null) ? of("usd") : null;
    return {
      calls: of("calls"),
      promptTokens: of("promptTokens"),
      completionTokens: of("completionTokens"),
      usd,
    };
  };
  return { low: at(0.025), high: at(0.975) };
}

function sumOf(costs: readonly CostSums[]): CostSums {
  return costs.reduce((sum, one) => addCosts(sum, one), NO_COST);
}

/** About `perDataset` questions of each data set, each from the middle of an equal part of it, whatever it is sorted by. */
export function sampledQuestions(questions: readonly Question[], perDataset: number): Question[] {
  const datasets = [...new Set(questions.map(({ dataset }) => dataset))];
  const sampled = new Set(
    datasets.flatMap((dataset) => {
      const all = questions.filter((question) => question.dataset === dataset);
      const wanted = Math.min(perDataset, all.length);
      return Array.from(
        { length: wanted },
        (_, index) => all[Math.floor(((index + 0.5) * all.length) / wanted)],
      );
    }),
  );
  return questions.filter((question) => sampled.has(question));
}
