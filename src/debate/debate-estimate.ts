// What debates of all questions will come to, from those that are over.

import type { Question } from "../eval/question-formats.ts";
import type { CallLine } from "./call-journal.ts";
import { type AgentSums, DebateLedger, type Priced } from "./debate-ledger.ts";

export interface DebateEstimate {
  /** Debates that the means are of. */
  readonly from: number;
  /** Questions without one of their data set: they are not in the estimate. */
  readonly unknown: number;
  readonly calls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Null when an agent has no prices. */
  readonly usd: number | null;
}

/**
 * The cost of debates of all `questions`, those that are over among them: for each data set the mean of those that are over,
 * times its questions.
 */
export function estimateDebates(
  questions: readonly Question[],
  over: readonly Pick<Question, "dataset" | "id">[],
  lines: readonly CallLine[],
  agents: readonly Priced[],
): DebateEstimate {
  const ended = new Set(over.map(keyOf));
  const datasets = [...new Set(questions.map(({ dataset }) => dataset))];
  const sum = {
    from: 0,
    unknown: 0,
    calls: 0,
    promptTokens: 0,
    completionTokens: 0,
    usd: 0 as number | null,
  };
  for (const dataset of datasets) {
    const all = questions.filter((question) => question.dataset === dataset).length;
    const from = over.filter((question) => question.dataset === dataset).length;
    if (from === 0) {
      sum.unknown += all;
      continue;
    }
    const ofEnded = lines.filter((line) => line.dataset === dataset && ended.has(keyOf(line)));
    const sums = [...new DebateLedger(agents, ofEnded).byAgent().values()];
    const scaled = (amountOf: (one: AgentSums) => number) =>
      (sums.reduce((total, one) => total + amountOf(one), 0) * all) / from;
    sum.from += from;
    sum.calls += scaled(({ calls }) => calls);
    sum.promptTokens += scaled(({ promptTokens }) => promptTokens);
    sum.completionTokens += scaled(({ completionTokens }) => completionTokens);
    const isPriced = sums.every(({ usd }) => usd !== null);
    sum.usd = sum.usd === null || !isPriced ? null : sum.usd + scaled(({ usd }) => usd ?? 0);
  }
  return sum;
}

/** About `perDataset` questions of each data set, evenly spread over it. */
export function sampledQuestions(questions: readonly Question[], perDataset: number): Question[] {
  const datasets = [...new Set(questions.map(({ dataset }) => dataset))];
  const sampled = new Set(
    datasets.flatMap((dataset) => {
      const all = questions.filter((question) => question.dataset === dataset);
      const wanted = Math.min(perDataset, all.length);
      return Array.from({ length: wanted }, (_, index) => all[Math.floor((index * all.length) / wanted)]);
    }),
  );
  return questions.filter((question) => sampled.has(question));
}

function keyOf({ dataset, id }: Pick<Question, "dataset" | "id">): string {
  return JSON.stringify([dataset, id]);
}
