// From a run's lines to the points of curves: few enough to draw, with a running mean where they scatter. It knows
// nothing of charts.

import type { RunRecord } from "./run-record.ts";

export const TERMS = ["loss", "nll", "margin", "node"] as const;
export type LossTerm = (typeof TERMS)[number];
export type Quantity = LossTerm | "nodeAccuracy" | "tokensPerSecond" | "learningRate" | "gradientNorm";

export const SERIES = {
  each: "training, each step",
  mean: "training, running mean",
  validation: "validation",
  majority: "majority class",
} as const;
export type Series = (typeof SERIES)[keyof typeof SERIES];

export interface Point {
  readonly run: string;
  readonly series: Series;
  readonly step: number;
  readonly value: number;
}

/** Points of one curve at most: more would lie upon each other. */
const MOST_POINTS = 250;
/** A running mean reaches back over this share of the steps. */
const MEAN_SHARE = 1 / 20;

type Sample = readonly [step: number, value: number];

/** Neighbours as their mean, at most MOST_POINTS of them. */
function thinned(samples: readonly Sample[]): Sample[] {
  const size = Math.ceil(samples.length / MOST_POINTS);
  if (size <= 1) return [...samples];
  const buckets = Array.from({ length: Math.ceil(samples.length / size) }, (_, index) =>
    samples.slice(index * size, (index + 1) * size),
  );
  return buckets.map((bucket) => [
    bucket.at(-1)![0],
    bucket.reduce((sum, [, value]) => sum + value, 0) / bucket.length,
  ]);
}

/** The exponential mean, begun with the mean of what there is. */
function runningMean(samples: readonly Sample[], reach: number): Sample[] {
  const decay = 1 - 1 / reach;
  let sum = 0;
  let weight = 0;
  return samples.map(([step, value]) => {
    sum = decay * sum + value;
    weight = decay * weight + 1;
    return [step, sum / weight];
  });
}

/** Whether the run learned by this loss; without its settings, whether it is ever other than 0. */
function hasLoss({ settings, steps, validations }: RunRecord, term: LossTerm): boolean {
  if (term === "loss") return true;
  const { losses } = settings;
  if (Array.isArray(losses)) return losses.includes(term);
  return [...steps, ...validations].some((line) => line[term] !== 0);
}

/** Every point of a quantity in one run; none when the run has nothing of it. */
export function curvesOf(run: RunRecord, quantity: Quantity): Point[] {
  const isLoss = TERMS.some((term) => term === quantity);
  if (isLoss && !hasLoss(run, quantity as LossTerm)) return []; // the line above found it among them
  const points = (series: Series, samples: readonly Sample[]): Point[] =>
    samples.map(([step, value]) => ({ run: run.name, series, step, value }));
  const each = run.steps.flatMap((line): Sample[] => {
    const value = line[quantity];
    return value === null ? [] : [[line.step, value]];
  });
  // The schedule scatters not at all.
  const reach = quantity === "learningRate" ? 1 : Math.round(each.length * MEAN_SHARE);
  const training =
    reach <= 1
      ? points(SERIES.mean, thinned(each))
      : [...points(SERIES.each, thinned(each)), ...points(SERIES.mean, thinned(runningMean(each, reach)))];
  if (!isLoss && quantity !== "nodeAccuracy") return training;
  const validation = run.validations.flatMap((line): Sample[] => {
    const value = line[quantity as LossTerm | "nodeAccuracy"]; // the line above left no others
    return value === null ? [] : [[line.step, value]];
  });
  const majority =
    quantity !== "nodeAccuracy"
      ? []
      : run.validations.flatMap(({ step, majorityAccuracy }): Sample[] =>
          majorityAccuracy === null ? [] : [[step, majorityAccuracy]],
        );
  return [...training, ...points(SERIES.validation, validation), ...points(SERIES.majority, majority)];
}
