// Statistics of a set of MAGs: graph types, nodes by round, agent and label, lengths (as in Table 12 of the paper).

import { contrastivePairs } from "./contrastive-pairs.ts";
import { graphType, type Mag, type MagNode } from "./mag-schema.ts";
import { questionKey } from "./question-split.ts";

export interface NodeCounts {
  nodes: number;
  right: number;
  wrong: number;
}

export interface GraphCounts extends NodeCounts {
  mags: number;
  edges: number;
}

export interface Lengths {
  /** "tokens" with a student's tokenizer, else "characters". */
  readonly unit: "tokens" | "characters";
  readonly prompt: Distribution;
  readonly completion: Distribution;
}

export interface Distribution {
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
  readonly sum: number;
}

export interface MagStatistics {
  readonly mags: number;
  readonly questions: number;
  readonly nodes: number;
  readonly edges: number;
  readonly right: number;
  /** Share of the more frequent label: a node classifier's baseline. */
  readonly majorityShare: number;
  /** MAGs with right and wrong nodes, and their number of pairs. */
  readonly contrastive: { readonly mags: number; readonly pairs: number };
  readonly withoutAnswer: number;
  readonly withoutReasoning: number;
  readonly byBenchmark: Readonly<Record<string, GraphCounts>>;
  /** G0, G1, … */
  readonly byType: Readonly<Record<string, GraphCounts>>;
  readonly byRound: Readonly<Record<string, NodeCounts>>;
  readonly byAgent: Readonly<Record<string, NodeCounts>>;
  readonly byUse: Readonly<Record<string, number>>;
  readonly lengths: Lengths;
}

/** Measures lengths: in a student's tokens, or in characters. */
export interface Measure {
  readonly unit: Lengths["unit"];
  prompt(mag: Mag): number;
  completion(mag: Mag, node: MagNode): number;
}

export const inCharacters: Measure = {
  unit: "characters",
  prompt: (mag) => mag.question.length,
  completion: (_mag, node) => node.reasoning.length,
};

/** The statistics of all `mags`, as a stream. */
export async function magStatistics(
  mags: AsyncIterable<Mag> | Iterable<Mag>,
  measure: Measure = inCharacters,
): Promise<MagStatistics> {
  const total = { mags: 0, nodes: 0, edges: 0, right: 0, withoutAnswer: 0, withoutReasoning: 0 };
  const contrastive = { mags: 0, pairs: 0 };
  const questions = new Set<string>();
  const byBenchmark = new Map<string, GraphCounts>();
  const byType = new Map<string, GraphCounts>();
  const byRound = new Map<string, NodeCounts>();
  const byAgent = new Map<string, NodeCounts>();
  const byUse = new Map<string, number>();
  const prompts: number[] = [];
  const completions: number[] = [];
  for await (const mag of mags) {
    const right = mag.nodes.filter(({ label }) => label === 1).length;
    total.mags += 1;
    total.nodes += mag.nodes.length;
    total.edges += mag.edges.length;
    total.right += right;
    questions.add(questionKey(mag));
    byUse.set(mag.source.use, (byUse.get(mag.source.use) ?? 0) + 1);
    const pairs = contrastivePairs(mag.nodes.map(({ label }) => label)).length;
    contrastive.mags += Number(pairs > 0);
    contrastive.pairs += pairs;
    for (const counts of [
      entry(byBenchmark, mag.benchmark, noGraphs),
      entry(byType, graphType(mag), noGraphs),
    ]) {
      counts.mags += 1;
      counts.nodes += mag.nodes.length;
      counts.edges += mag.edges.length;
      counts.right += right;
      counts.wrong += mag.nodes.length - right;
    }
    prompts.push(measure.prompt(mag));
    for (const node of mag.nodes) {
      for (const counts of [
        entry(byRound, String(node.round), noNodes),
        entry(byAgent, node.agent, noNodes),
      ]) {
        counts.nodes += 1;
        counts[node.label === 1 ? "right" : "wrong"] += 1;
      }
      total.withoutAnswer += Number(node.answer === null);
      total.withoutReasoning += Number(node.reasoning === "");
      completions.push(measure.completion(mag, node));
    }
  }
  return {
    ...total,
    questions: questions.size,
    majorityShare: total.nodes === 0 ? 0 : Math.max(total.right, total.nodes - total.right) / total.nodes,
    contrastive,
    byBenchmark: sorted(byBenchmark),
    byType: sorted(byType),
    byRound: sorted(byRound),
    byAgent: sorted(byAgent),
    byUse: sorted(byUse),
    lengths: { unit: measure.unit, prompt: distribution(prompts), completion: distribution(completions) },
  };
}

function noNodes(): NodeCounts {
  return { nodes: 0, right: 0, wrong: 0 };
}

function noGraphs(): GraphCounts {
  return { mags: 0, edges: 0, ...noNodes() };
}

function entry<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function sorted<T>(map: Map<string, T>): Record<string, T> {
  return Object.fromEntries([...map].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true })));
}

function distribution(values: number[]): Distribution {
  if (values.length === 0) return { mean: 0, median: 0, p95: 0, max: 0, sum: 0 };
  const ordered = Float64Array.from(values).sort();
  // Nearest rank: the smallest value with at least this share of values not above it.
  const quantile = (share: number): number => ordered[Math.max(0, Math.ceil(share * ordered.length) - 1)]!;
  const sum = ordered.reduce((total, value) => total + value, 0);
  return { mean: sum / ordered.length, median: quantile(0.5), p95: quantile(0.95), max: quantile(1), sum };
}
