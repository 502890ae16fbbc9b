// The formats a student can be exported in, and the file names that transformers.js gives them.

import { MagdiError } from "../errors.ts";

export const DTYPES = ["fp32", "q8", "int8", "q4"] as const;
export type Dtype = (typeof DTYPES)[number];

const SUFFIXES: Readonly<Record<Dtype, string>> = { fp32: "", q8: "_quantized", int8: "_int8", q4: "_q4" };

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
