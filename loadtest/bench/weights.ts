// Which weights of a student folder are measured, and how many bytes a step reads of them.
import { DTYPES, type Dtype } from "../../src/student/dtype.ts";
import type { Manifest } from "../../src/student/manifest.ts";

export function dtypeOf(name: string | undefined): Dtype | undefined {
  if (name === undefined) return undefined;
  const dtype = DTYPES.find((known) => known === name);
  if (dtype === undefined) throw new Error(`--dtype: expected one of ${DTYPES.join(", ")}, found ${name}`);
  return dtype;
}

/** Bytes of the dtype's data files: what a step reads. */
export function weightBytes({ dtypes, files }: Manifest, dtype: Dtype): number {
  const data = dtypes[dtype]?.data ?? [];
  return data.reduce((sum, name) => sum + (files[name]?.bytes ?? 0), 0);
}
