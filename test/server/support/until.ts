// Waiting for what other turns of the event loop bring about.
import { setImmediate as nextTurn } from "node:timers/promises";

/** Turns of the event loop until `condition` holds; a test's timeout bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}
