// Two runs over the same questions: is one better, by how much, and could it be chance?

import { questionKey } from "./answer-record.ts";
import { type PairedComparison, pairedBootstrap } from "./measures/paired-bootstrap.ts";
import { readAnswers, readReport } from "./report.ts";

export interface DatasetComparison extends PairedComparison {
  /** A data set's name, or "all" for the questions of all. */
  readonly dataset: string;
}

/**
 * Compares the questions that both runs asked, each data set for itself and all together; those with another gold
 * answer are not the same. `seed` decides the resamples.
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE
 */
export function compareReports(a: string, b: string, seed: number): DatasetComparison[] {
  const answersA = readAnswers(a, readReport(a));
  const answersB = new Map(readAnswers(b, readReport(b)).map((record) => [questionKey(record), record]));
  const pairs = answersA.flatMap((record) => {
    const other = answersB.get(questionKey(record));
    if (other === undefined || other.gold !== record.gold) return [];
    return [{ dataset: record.dataset, a: record.correct, b: other.correct }];
  });
  const names = [...new Set(pairs.map(({ dataset }) => dataset))];
  const parts = names.map((name) => ({ name, of: pairs.filter(({ dataset }) => dataset === name) }));
  if (names.length > 1) parts.push({ name: "all", of: pairs });
  return parts.map(({ name, of }) => ({ dataset: name, ...pairedBootstrap(of, seed) }));
}
