// The calls of one debate, kept for as long as it lasts. It is a journal without a file.

import type { CallKey, CallLine } from "./call-journal.ts";
import type { CallStore } from "./caller.ts";

export class CallMemory implements CallStore {
  readonly #attempts = new Map<string, number>();

  /** A debate asks each agent once in a round. */
  outcome(): undefined {
    return undefined;
  }

  attempts({ round, agent }: CallKey): number {
    return this.#attempts.get(`${round} ${agent}`) ?? 0;
  }

  add({ round, agent, attempt }: CallLine): void {
    this.#attempts.set(`${round} ${agent}`, attempt + 1);
  }
}
