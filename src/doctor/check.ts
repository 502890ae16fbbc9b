// The result of one check of the machine: its status, what was found, and the remedy.

import type { Device } from "../runtime/device-name.ts";

/** note: worth knowing; warning: serving works, but badly; missing: what needs it does not work. */
export type Status = "ok" | "note" | "warning" | "missing";

export interface Check {
  readonly name: string;
  /** The device that needs it; null where all do. */
  readonly device: Device | null;
  readonly status: Status;
  /** What was found, and what it means where that is not obvious. */
  readonly found: string;
  /** What to do, as a command where there is one; null where there is nothing to do. */
  readonly remedy: string | null;
}
