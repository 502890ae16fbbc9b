// The choice of a dtype by measurement: agreement with float32 and speed.

import type { Dtype } from "./dtype.ts";
import type { Choice, Quality, StepTimes } from "./manifest.ts";

/** The dtypes that `--dtype auto` measures: the quantised ones for CPUs. */
export const AUTO_DTYPES: readonly Dtype[] = ["q4", "q8"];

/** Lowest agreement with float32 at which dtypes are compared by speed. */
export const MIN_AGREEMENT = 0.97;

/** Decode steps of one sample, and of ten in a batch, for each prompt. */
const STEPS = 32;

/** Times that differ by less than this share are the same. */
const SAME_TIME = 0.03;

/** Milliseconds of one prompt, 32 steps of one sample and 32 of ten. */
export const workTime = ({ promptMs, stepMs, tenRowStepMs }: StepTimes): number =>
  promptMs + STEPS * (stepMs + tenRowStepMs);

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Of the dtypes that fit and agree with float32 at 97 % of positions or more the fastest, and of those that are as fast the one
 * that agrees most; without one, the dtype that agrees most. At least one fits. */
export function chooseDtype(
  qualities: ReadonlyMap<Dtype, Quality>,
  times: ReadonlyMap<Dtype, StepTimes>,
  fits: (dtype: Dtype) => boolean = () => true,
): Choice {
  const measured = [...qualities].flatMap(([dtype, { agreement, perplexity }]) => {
    const own = times.get(dtype);
    return own === undefined ? [] : [{ dtype, agreement, perplexity, ...own }];
  });
  const fitting = measured.filter(({ dtype }) => fits(dtype));
  const good = fitting.filter(({ agreement }) => agreement >= MIN_AGREEMENT);
  const fastest = Math.min(...good.map(workTime));
  const candidates =
    good.length > 0 ? good.filter((one) => workTime(one) < fastest * (1 + SAME_TIME)) : fitting;
  const { dtype } = candidates.reduce((a, b) => (b.agreement > a.agreement ? b : a));
  const limited = fitting.length < measured.length;
  const reason =
    good.length > 0
      ? `the fastest of those that ${limited ? "fit and " : ""}agree with fp32 at ${percent(MIN_AGREEMENT)} of positions or more`
      : `none${limited ? " that fits" : ""} agrees with fp32 at ${percent(MIN_AGREEMENT)} of positions, and it agrees most`;
  return { dtype, reason, measured };
}
