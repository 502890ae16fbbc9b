// Which of several measured dtypes a student is kept in. It measures nothing itself.

import type { Dtype } from "./dtype.ts";
import type { Choice, Quality, StepTimes } from "./manifest.ts";

/** What `auto` measures: the formats that a CPU serves quantised. */
export const AUTO_DTYPES: readonly Dtype[] = ["q4", "int8", "q8"];

/** The least agreement with float32 of a dtype that is chosen for its speed. */
const ENOUGH_AGREEMENT = 0.96;

/** Steps of one sample, and of ten at once, that a prompt is weighed with. */
const STEPS = 32;

/** Milliseconds of one prompt, 32 steps of one sample and 32 of ten. */
export const workTime = ({ promptMs, stepMs, tenRowStepMs }: StepTimes): number =>
  promptMs + STEPS * (stepMs + tenRowStepMs);

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The fastest of those that agree with float32 at 96 % of positions or more; where none does, the one that agrees
 * most. */
export function chooseDtype(
  qualities: ReadonlyMap<Dtype, Quality>,
  times: ReadonlyMap<Dtype, StepTimes>,
): Choice {
  const measured = [...qualities].flatMap(([dtype, { agreement, perplexity }]) => {
    const own = times.get(dtype);
    return own === undefined ? [] : [{ dtype, agreement, perplexity, ...own }];
  });
  const good = measured.filter(({ agreement }) => agreement >= ENOUGH_AGREEMENT);
  const best =
    good.length > 0
      ? good.reduce((a, b) => (workTime(b) < workTime(a) ? b : a))
      : measured.reduce((a, b) => (b.agreement > a.agreement ? b : a));
  const reason =
    good.length > 0
      ? `the fastest of those that agree with fp32 at ${percent(ENOUGH_AGREEMENT)} of positions or more`
      : `none agrees with fp32 at ${percent(ENOUGH_AGREEMENT)} of positions, and it agrees most`;
  return { dtype: best.dtype, reason, measured };
}
