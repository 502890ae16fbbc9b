// The result of one check: the errors and tolerance, why it could not be verified, or that the reference is absent.

import { MagdiError } from "../../base/errors.ts";
import { type Errors, isWithin, type Tolerance } from "./comparison.ts";

export type Check =
  | {
      readonly kind: "compared";
      readonly quantity: string;
      readonly errors: Errors;
      readonly tolerance: Tolerance;
      readonly passed: boolean;
      /** What has the largest error, such as a tensor's key. */
      readonly worst: string | null;
    }
  | { readonly kind: "not verified"; readonly quantity: string; readonly reason: string }
  | { readonly kind: "absent"; readonly quantity: string /** Such as a file. */; readonly what: string };

export function compared(
  quantity: string,
  errors: Errors,
  tolerance: Tolerance,
  worst: string | null = null,
): Check {
  return { kind: "compared", quantity, errors, tolerance, passed: isWithin(errors, tolerance), worst };
}

/** Whether the error is beyond the tolerance, or the quantity could not be verified. */
export const hasFailed = (check: Check): boolean =>
  check.kind === "not verified" || (check.kind === "compared" && !check.passed);

export const absent = (quantities: readonly string[], what: string): Check[] =>
  quantities.map((quantity) => ({ kind: "absent", quantity, what }));

/** Runs checks; when they throw a MagdiError, each of `quantities` is "not verified" for that reason. */
export async function orNotVerified(
  quantities: readonly string[],
  run: () => Promise<readonly Check[]>,
): Promise<readonly Check[]> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof MagdiError)) throw error;
    return quantities.map((quantity) => ({ kind: "not verified", quantity, reason: error.message }));
  }
}
