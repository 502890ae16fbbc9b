// Right answers among answers with their interval, and sums and means that are unknown where one of their parts is.

import { wilsonInterval } from "../eval/measures/wilson.ts";

export interface Score {
  readonly right: number;
  readonly of: number;
  /** Null without answers. */
  readonly accuracy: number | null;
  /** Wilson's interval of 95 %. */
  readonly accuracy_ci95: readonly [low: number, high: number];
}

export function scoreOf(answers: readonly boolean[]): Score {
  const right = answers.filter(Boolean).length;
  const of = answers.length;
  return { right, of, accuracy: of === 0 ? null : right / of, accuracy_ci95: wilsonInterval(right, of) };
}

/** Null when one is not known. */
export function sumOf(values: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const value of values) {
    if (value === null) return null;
    sum += value;
  }
  return sum;
}

/** Null without values, and when one is not known. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const sum = sumOf(values);
  return sum === null || values.length === 0 ? null : sum / values.length;
}
