// A control group with a memory limit for a test's process, where this machine lets one be made.

import type { TestContext } from "node:test";
import { type MemoryGroup, makeMemoryGroup } from "../../loadtest/server/memory-group.ts";

export { NO_MEMORY_GROUPS } from "../../loadtest/server/memory-group.ts";

/** It is gone when the test ends, after what was added to it. */
export function memoryGroup(t: TestContext, limitBytes: number): MemoryGroup {
  const group = makeMemoryGroup(limitBytes);
  t.after(() => group.remove());
  return group;
}
