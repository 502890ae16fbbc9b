// Compares two runs on the same questions: the difference of accuracies and how it varies when the questions are
// resampled (Efron and Tibshirani 1993; paired as in Koehn 2004).

import { sampleRandom } from "../engine/random.ts";
import { type AnswerRecord, questionKey } from "./answer-record.ts";
import { mean, quantile } from "./measures/distribution.ts";
import { readAnswers, readReport } from "./report.ts";

export interface DatasetComparison extends PairedComparison {
  /** A data set's name, or "all". */
  readonly dataset: string;
}

/**
 * Compares the questions that both runs asked with the same gold answer, per data set and over all. `seed` decides the
 * resamples.
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE
 */
export function compareReports(a: string, b: string, seed: number): DatasetComparison[] {
  const pairs = pairedAnswers([readAnswers(a, readReport(a))], [readAnswers(b, readReport(b))]);
  const names = [...new Set(pairs.map(({ dataset }) => dataset))];
  const parts = names.map((name) => ({ name, of: pairs.filter(({ dataset }) => dataset === name) }));
  if (names.length > 1) parts.push({ name: "all", of: pairs });
  return parts.map(({ name, of }) => ({ dataset: name, ...pairedBootstrap(of, seed) }));
}

/** A question that both asked: the share of A's runs, and of B's, that are right. */
export interface AnswerPair {
  readonly dataset: string;
  readonly a: number;
  readonly b: number;
}

/** The questions that all runs of A and of B asked with the same gold answer, in the order of A's first run. */
export function pairedAnswers(
  a: readonly (readonly AnswerRecord[])[],
  b: readonly (readonly AnswerRecord[])[],
): AnswerPair[] {
  const byQuestion = (runs: typeof a) =>
    runs.map((records) => new Map(records.map((record) => [questionKey(record), record])));
  const [ofA, ofB] = [byQuestion(a), byQuestion(b)];
  return (a[0] ?? []).flatMap((first) => {
    const key = questionKey(first);
    const isSame = (record: AnswerRecord | undefined) => record !== undefined && record.gold === first.gold;
    if (ofB.length === 0 || ![...ofA, ...ofB].every((run) => isSame(run.get(key)))) return [];
    const right = (runs: typeof ofA) => mean(runs.map((run) => Number(run.get(key)?.correct)));
    return [{ dataset: first.dataset, a: right(ofA), b: right(ofB) }];
  });
}

export interface PairedComparison {
  readonly questions: number;
  readonly accuracyA: number;
  readonly accuracyB: number;
  /** B's accuracy less A's. */
  readonly difference: number;
  /** 95 %, percentiles of the resampled differences. */
  readonly interval: readonly [low: number, high: number];
  /** Two-sided: twice the share of resamples on the other side of zero, at least 2 / (resamples + 1). */
  readonly p: number;
  /** Questions that only one of them answers rightly, or more often so. */
  readonly onlyA: number;
  readonly onlyB: number;
}

/** `pairs`: for each question, whether A and B are right, or how often. The same seed gives the same numbers. */
export function pairedBootstrap(
  pairs: readonly { readonly a: boolean | number; readonly b: boolean | number }[],
  seed: number,
  resamples = 10_000,
): PairedComparison {
  const differences = pairs.map(({ a, b }) => Number(b) - Number(a));
  const random = sampleRandom(seed, 0);
  const size = differences.length;
  const drawn: number[] = [];
  for (let round = 0; round < resamples; round++) {
    let sum = 0;
    for (let at = 0; at < size; at++) sum += differences[Math.floor(random.nextFloat() * size)]!;
    drawn.push(sum / size);
  }
  drawn.sort((x, y) => x - y);
  const notAbove = drawn.filter((value) => value <= 0).length;
  const notBelow = drawn.filter((value) => value >= 0).length;
  return {
    questions: size,
    accuracyA: mean(pairs.map(({ a }) => Number(a))),
    accuracyB: mean(pairs.map(({ b }) => Number(b))),
    difference: mean(differences),
    interval: [quantile(drawn, 0.025), quantile(drawn, 0.975)],
    p: Math.min(1, (2 * (Math.min(notAbove, notBelow) + 1)) / (resamples + 1)),
    onlyA: pairs.filter(({ a, b }) => a > b).length,
    onlyB: pairs.filter(({ a, b }) => b > a).length,
  };
}
