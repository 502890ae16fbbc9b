// Verifies all that training computes against a folder of reference results from another framework.

import type { BaseSessionOptions } from "../step/base-session.ts";
import type { Check } from "./check.ts";
import { forwardChecks } from "./forward-checks.ts";
import { ReferenceFolder } from "./reference-folder.ts";
import { assertTrainable } from "./reference-training.ts";
import { trainingChecks } from "./training-checks.ts";

export { type Check, hasFailed } from "./check.ts";

/** Yields each quantity as it is checked: "absent" when the folder has no reference for it, "not verified" when the
 * reference is broken.
 * @throws MAGDI_FILE_MISSING when the folder or what training needs is missing; MAGDI_BAD_FILE or MAGDI_UNSUPPORTED when its
 * parts do not fit together. */
export async function* verifyTraining(
  folder: string,
  options: BaseSessionOptions = {},
): AsyncGenerator<Check> {
  const reference = new ReferenceFolder(folder);
  assertTrainable(reference);
  yield* forwardChecks(reference, options);
  yield* trainingChecks(reference, options);
}
