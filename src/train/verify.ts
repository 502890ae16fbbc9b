// Checks everything that training computes against a folder of reference results from another framework.

import type { BaseSessionOptions } from "./base-session.ts";
import type { Check } from "./verify/check.ts";
import { forwardChecks } from "./verify/forward-checks.ts";
import { ReferenceFolder } from "./verify/reference-folder.ts";
import { trainingChecks } from "./verify/training-checks.ts";

export { type Check, hasPassed } from "./verify/check.ts";

/** Each quantity as it is checked. What a missing or broken file keeps from being checked is "not verified".
 * @throws MAGDI_FILE_MISSING when there is no such folder. */
export async function* verifyTraining(
  folder: string,
  options: BaseSessionOptions = {},
): AsyncGenerator<Check> {
  const reference = new ReferenceFolder(folder);
  yield* forwardChecks(reference, options);
  yield* trainingChecks(reference, options);
}
