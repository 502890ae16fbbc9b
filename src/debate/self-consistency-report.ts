// How self-consistency did beside the debates of the same questions: by the number of samples, and at equal tokens.

import { type PairedComparison, pairedBootstrap } from "../eval/compare.ts";
import { mean } from "../eval/measures/distribution.ts";
import type { DebateOutline } from "./debate-outline.ts";
import { type AloneSample, isMajorityRight, type SampledQuestion } from "./sampled-question.ts";
import { meanOf, type Score, scoreOf, sumOf } from "./score.ts";

export interface EqualTokens extends Score {
  /** Questions of which all samples together cost less than the debate. */
  readonly short: number;
  readonly samples_mean: number;
  readonly prompt_tokens_mean: number | null;
  readonly completion_tokens_mean: number | null;
  readonly usd_mean: number | null;
  /** A is self-consistency, B the team's vote by rescaled confidence. */
  readonly against_debate: PairedComparison;
}

export interface SelfConsistencyReport {
  readonly agent: string;
  readonly questions: number;
  /** Majorities of the first n samples, or of all where a question has fewer. */
  readonly by_samples: readonly (Score & {
    readonly samples: number;
    readonly prompt_tokens_mean: number | null;
    readonly completion_tokens_mean: number | null;
  })[];
  /** As many samples as cost the debate's generated tokens; null where somebody does not say. */
  readonly at_generated_tokens: EqualTokens | null;
  /** The same with the tokens of prompts. */
  readonly at_all_tokens: EqualTokens | null;
}

interface Pair {
  readonly debate: DebateOutline;
  readonly alone: SampledQuestion;
}

const SEED = 0;

/** By agent, of the questions that have both. */
export function selfConsistencyReports(
  debates: readonly DebateOutline[],
  sampled: readonly SampledQuestion[],
): SelfConsistencyReport[] {
  const keyOf = (dataset: string, id: string) => JSON.stringify([dataset, id]);
  const byKey = new Map(debates.map((debate) => [keyOf(debate.dataset, debate.id), debate]));
  const agents = [...new Set(sampled.map(({ agent }) => agent))];
  return agents.flatMap((agent) => {
    const pairs = sampled.flatMap((alone): Pair[] => {
      const debate = byKey.get(keyOf(alone.benchmark, alone.question_id));
      return alone.agent !== agent || debate === undefined ? [] : [{ debate, alone }];
    });
    return pairs.length === 0 ? [] : [reportOf(agent, pairs)];
  });
}

function reportOf(agent: string, pairs: readonly Pair[]): SelfConsistencyReport {
  const most = Math.max(...pairs.map(({ alone }) => alone.samples.length));
  return {
    agent,
    questions: pairs.length,
    by_samples: Array.from({ length: most }, (_, index) => {
      const samples = index + 1;
      const taken = pairs.map(({ alone }) => alone.samples.slice(0, samples));
      return {
        samples,
        ...scoreOf(pairs.map(({ alone }) => isMajorityRight(alone, samples))),
        ...costs(taken),
      };
    }),
    at_generated_tokens: atEqualTokens(pairs, ({ completion_tokens: tokens }) => tokens),
    at_all_tokens: atEqualTokens(pairs, ({ prompt_tokens: prompt, completion_tokens: completion }) =>
      prompt === null || completion === null ? null : prompt + completion,
    ),
  };
}

type Counted = Pick<AloneSample, "prompt_tokens" | "completion_tokens">;

function atEqualTokens(
  pairs: readonly Pair[],
  tokensOf: (call: Counted) => number | null,
): EqualTokens | null {
  const counts: number[] = [];
  let short = 0;
  for (const { debate, alone } of pairs) {
    const goal = sumOf(
      debate.nodes.map((node) =>
        tokensOf({ prompt_tokens: node.promptTokens, completion_tokens: node.completionTokens }),
      ),
    );
    const tokens = alone.samples.map((sample) => (sample.error === null ? tokensOf(sample) : 0));
    if (goal === null || sumOf(tokens) === null) return null;
    let sum = 0;
    const at = tokens.findIndex((count) => {
      sum += count ?? 0;
      return sum >= goal;
    });
    short += Number(at < 0);
    counts.push(at < 0 ? tokens.length : at + 1);
  }
  const right = pairs.map(({ alone }, index) => isMajorityRight(alone, counts[index]!)); // one for each
  return {
    ...scoreOf(right),
    short,
    samples_mean: mean(counts),
    ...costs(pairs.map(({ alone }, index) => alone.samples.slice(0, counts[index]))),
    usd_mean: meanOf(
      pairs.map(({ alone }, index) =>
        sumOf(answered(alone.samples.slice(0, counts[index])).map(({ usd }) => usd)),
      ),
    ),
    against_debate: pairedBootstrap(
      pairs.map(({ debate }, index) => ({ a: right[index]!, b: debate.team.at(-1)?.rescaled === true })),
      SEED,
    ),
  };
}

function costs(taken: readonly (readonly AloneSample[])[]) {
  const sums = (of: (sample: AloneSample) => number | null) =>
    meanOf(taken.map((samples) => sumOf(answered(samples).map(of))));
  return {
    prompt_tokens_mean: sums(({ prompt_tokens: tokens }) => tokens),
    completion_tokens_mean: sums(({ completion_tokens: tokens }) => tokens),
  };
}

/** Samples that failed for good cost nothing. */
function answered(samples: readonly AloneSample[]): readonly AloneSample[] {
  return samples.filter(({ error }) => error === null);
}
