// Which weights of a student folder are measured.
import { DTYPES, type Dtype } from "../../src/student/dtype.ts";

export function dtypeOf(name: string | undefined): Dtype | undefined {
  if (name === undefined) return undefined;
  const dtype = DTYPES.find((known) => known === name);
  if (dtype === undefined) throw new Error(`--dtype: expected one of ${DTYPES.join(", ")}, found ${name}`);
  return dtype;
}
