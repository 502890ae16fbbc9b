// The formats a student can be exported in, and the file names that transformers.js gives them.

import { MagdiError } from "../base/errors.ts";
import type { FloatType } from "../tensor/data-type.ts";
import type { Choice, Quality, StepTimes } from "./manifest.ts";

export const DTYPES = ["fp32", "fp16", "q8", "int8", "q4", "q4f16"] as const;
export type Dtype = (typeof DTYPES)[number];

const SUFFIXES: Readonly<Record<Dtype, string>> = {
  fp32: "",
  fp16: "_fp16",
  q8: "_quantized",
  int8: "_int8",
  q4: "_q4",
  q4f16: "_q4f16",
};

/** What a dtype's graphs compute in: float16 is for GPUs. */
export const floatsOf = (dtype: Dtype): FloatType =>
  dtype === "fp16" || dtype === "q4f16" ? "float16" : "float32";

/** The graph that transformers.js loads with this dtype. */
export const modelFileName = (dtype: Dtype): string => `model${SUFFIXES[dtype]}.onnx`;

/** Our engine's step graph over the same data files. */
export const engineFileName = (dtype: Dtype): string => `engine_${dtype}.onnx`;

/** "q4,fp32" → the dtypes. @throws MAGDI_BAD_CONFIG naming what is not one. */
export function parseDtypes(text: string): Dtype[] {
  const names = text.split(",").map((name) => name.trim());
  return names.map((name) => {
    const dtype = DTYPES.find((known) => known === name);
    if (dtype !== undefined) return dtype;
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--dtype: expected some of ${DTYPES.join(", ")}, found "${name}"`,
    );
  });
}

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
