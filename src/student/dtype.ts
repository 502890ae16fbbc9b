// Dtypes: the formats that a student is exported in, their file names, and the choice of the best by measurement.

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

/** The float type that a dtype's graphs compute in: float16 is for GPUs. */
export const floatsOf = (dtype: Dtype): FloatType =>
  dtype === "fp16" || dtype === "q4f16" ? "float16" : "float32";

/** The graph that transformers.js loads with this dtype. */
export const modelFileName = (dtype: Dtype): string => `model${SUFFIXES[dtype]}.onnx`;

/** Our engine's step graph over the same data files. */
export const engineFileName = (dtype: Dtype): string => `engine_${dtype}.onnx`;

/** Parses "q4,fp32". @throws MAGDI_BAD_CONFIG naming an unknown dtype. */
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
