// Dtypes: the formats that a student is exported in, and their file names.

import { MagdiError } from "../base/errors.ts";
import type { FloatType } from "../tensor/onnx-type.ts";

export const DTYPES = ["fp32", "fp16", "q8", "q4", "q4f16"] as const;
export type Dtype = (typeof DTYPES)[number];

/** Formats that earlier versions wrote and this one does not know. */
export const REMOVED_DTYPES: readonly string[] = ["int8"];

const SUFFIXES: Readonly<Record<Dtype, string>> = {
  fp32: "",
  fp16: "_fp16",
  q8: "_quantized",
  q4: "_q4",
  q4f16: "_q4f16",
};

/** The float type that a dtype's graphs compute in: float16 is for GPUs. */
export const floatsOf = (dtype: Dtype): FloatType =>
  dtype === "fp16" || dtype === "q4f16" ? "float16" : "float32";

/** Whether linear layers are stored in 4 bits. */
export const hasFourBits = (dtype: Dtype): boolean => dtype === "q4" || dtype === "q4f16";

/** The graph that transformers.js loads with this dtype. */
export const modelFileName = (dtype: Dtype): string => `model${SUFFIXES[dtype]}.onnx`;

/** Our engine's step graph over the same data files. */
export const engineFileName = (dtype: Dtype): string => `engine_${dtype}.onnx`;

/** Parses "q4,fp32". @throws MAGDI_BAD_CONFIG naming an unknown dtype, or one that is gone. */
export function parseDtypes(text: string): Dtype[] {
  const names = text.split(",").map((name) => name.trim());
  return names.map((name) => {
    const dtype = DTYPES.find((known) => known === name);
    if (dtype !== undefined) return dtype;
    const gone = REMOVED_DTYPES.includes(name)
      ? ", a format of earlier versions; q4 and q8 are faster and agree as well"
      : "";
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--dtype: expected some of ${DTYPES.join(", ")}, found "${name}"${gone}`,
    );
  });
}
