// Checks everything that training computes against a folder of reference results from another framework.

import type { BaseSessionOptions } from "../step/base-session.ts";
import type { Check } from "./check.ts";
import { forwardChecks } from "./forward-checks.ts";
import { ReferenceFolder } from "./reference-folder.ts";
import { assertTrainable } from "./reference-training.ts";
import { trainingChecks } from "./training-checks.ts";

export { type Check, hasFailed } from "./check.ts";

/** Each quantity as it is checked. One that the folder has no reference of is "absent"; one whose reference is broken
 * is "not verified".
 * @throws MAGDI_FILE_MISSING when there is no such folder, or it lacks what is needed to train; MAGDI_BAD_FILE or
 * MAGDI_UNSUPPORTED when that does not fit together. */
export async function* verifyTraining(
  folder: string,
  options: BaseSessionOptions = {},
): AsyncGenerator<Check> {
  const reference = new ReferenceFolder(folder);
  assertTrainable(reference);
  yield* forwardChecks(reference, options);
  yield* trainingChecks(reference, options);
}
