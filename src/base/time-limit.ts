// A time limit for code that runs without pause: regular expressions and loops over untrusted input are stopped when it is
// over. It cannot stop a single long call of the JavaScript library, such as normalize.

import { createContext, Script } from "node:vm";

/** Thrown when the time is over. */
export class TimeLimitError extends Error {
  override readonly name = "TimeLimitError";

  constructor(limitMs: number) {
    super(`it was not done after ${Math.round(limitMs)} ms`);
  }
}

const TIMEOUT = "ERR_SCRIPT_EXECUTION_TIMEOUT";
const sandbox: { run: () => void } = { run: () => undefined };
const context = createContext(sandbox);
const script = new Script("run()");

/**
 * Runs `work`, which must not wait for anything. Costs a fraction of a millisecond.
 * @throws TimeLimitError, and what `work` throws
 */
export function withinTime<T>(limitMs: number, work: () => T): T {
  const results: T[] = [];
  const outer = sandbox.run;
  sandbox.run = () => {
    results.push(work());
  };
  try {
    // The only way to interrupt JavaScript in its own thread; it works inside a regular expression too.
    script.runInContext(context, { timeout: Math.max(1, Math.round(limitMs)) });
  } catch (error) {
    if (isTimeout(error)) throw new TimeLimitError(limitMs);
    throw error;
  } finally {
    sandbox.run = outer;
  }
  return results[0] as T; // work returned, so there is one
}

function isTimeout(error: unknown): boolean {
  // Not instanceof Error: it is made in the other context.
  return typeof error === "object" && error !== null && "code" in error && error.code === TIMEOUT;
}
