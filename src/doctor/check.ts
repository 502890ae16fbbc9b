// What one look at the machine found: whether it is as it should be, and what brings it about. It looks at nothing.

import type { Device } from "../runtime/device-name.ts";

/** ok: as it should be; note: worth knowing; warning: serves, but badly; missing: what it is needed for cannot be. */
export type Status = "ok" | "note" | "warning" | "missing";

export interface Check {
  readonly name: string;
  /** The device that it is needed for; null where all need it. */
  readonly device: Device | null;
  readonly status: Status;
  /** What was found, and what it means where that is not plain. */
  readonly found: string;
  /** What to do, a command where there is one; null where there is nothing to do. */
  readonly remedy: string | null;
}
