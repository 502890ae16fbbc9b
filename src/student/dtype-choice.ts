// The choice of a dtype by measurement: agreement with float32 and speed.

import type { Dtype } from "./dtype.ts";
import type { Choice, Quality, StepTimes } from "./manifest.ts";

/** The dtypes that `--dtype auto` measures: the quantised ones for CPUs. */
export const AUTO_DTYPES: readonly Dtype[] = ["q4", "int8", "q8"];

/** Lowest agreement with float32 at which dtypes are compared by speed. */
const MIN_AGREEMENT = 0.96;

/** Decode steps of one sample, and of ten in a batch, for each prompt. */
const STEPS = 32;

/** Milliseconds of one prompt, 32 steps of one sample and 32 of ten. */
export const workTime = ({ promptMs, stepMs, tenRowStepMs }: StepTimes): number =>
  promptMs + STEPS * (stepMs + tenRowStepMs);

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The fastest dtype that agrees with float32 at 96 % of positions or more; without one, the dtype that agrees most. */
export function chooseDtype(
  qualities: ReadonlyMap<Dtype, Quality>,
  times: ReadonlyMap<Dtype, StepTimes>,
): Choice {
  const measured = [...qualities].flatMap(([dtype, { agreement, perplexity }]) => {
    const own = times.get(dtype);
    return own === undefined ? [] : [{ dtype, agreement, perplexity, ...own }];
  });
  const good = measured.filter(({ agreement }) => agreement >= MIN_AGREEMENT);
  const best =
    good.length > 0
      ? good.reduce((a, b) => (workTime(b) < workTime(a) ? b : a))
      : measured.reduce((a, b) => (b.agreement > a.agreement ? b : a));
  const reason =
    good.length > 0
      ? `the fastest of those that agree with fp32 at ${percent(MIN_AGREEMENT)} of positions or more`
      : `none agrees with fp32 at ${percent(MIN_AGREEMENT)} of positions, and it agrees most`;
  return { dtype: best.dtype, reason, measured };
}
