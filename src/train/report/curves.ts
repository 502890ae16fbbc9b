// The points of a run's curves, from its log: thinned out, with a running mean for noisy quantities. It knows nothing of
// charts.

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

/** Points of one curve at most: more would overlap. */
const MOST_POINTS = 250;
/** The window of a running mean, as a share of all steps. */
const MEAN_SHARE = 1 / 20;

type Sample = readonly [step: number, value: number];

/** At most MOST_POINTS means of neighbouring samples. */
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

/** The exponential moving average, corrected for its start. */
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

/** Whether the run trained with this loss; without its settings, whether the loss is ever other than 0. */
function hasLoss({ settings, steps, validations }: RunRecord, term: LossTerm): boolean {
  if (term === "loss") return true;
  const { losses } = settings;
  if (Array.isArray(losses)) return losses.includes(term);
  return [...steps, ...validations].some((line) => line[term] !== 0);
}

/** The points of a quantity in one run; empty when the run does not have it. */
export function curvesOf(run: RunRecord, quantity: Quantity): Point[] {
  const isLoss = TERMS.some((term) => term === quantity);
  if (isLoss && !hasLoss(run, quantity as LossTerm)) return []; // isLoss says that it is one
  const points = (series: Series, samples: readonly Sample[]): Point[] =>
    samples.map(([step, value]) => ({ run: run.name, series, step, value }));
  const each = run.steps.flatMap((line): Sample[] => {
    const value = line[quantity];
    return value === null ? [] : [[line.step, value]];
  });
  // The learning rate has no noise.
  const reach = quantity === "learningRate" ? 1 : Math.round(each.length * MEAN_SHARE);
  const training =
    reach <= 1
      ? points(SERIES.mean, thinned(each))
      : [...points(SERIES.each, thinned(each)), ...points(SERIES.mean, thinned(runningMean(each, reach)))];
  if (!isLoss && quantity !== "nodeAccuracy") return training;
  const validation = run.validations.flatMap((line): Sample[] => {
    const value = line[quantity as LossTerm | "nodeAccuracy"]; // the others returned above
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
