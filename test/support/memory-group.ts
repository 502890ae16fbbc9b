// A control group with a memory limit for a test's process, where this machine lets one be made.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";

interface Version {
  /** Where groups are made. */
  readonly folder: string;
  readonly limit: string;
  /** The kernel's count of processes that it killed. */
  readonly events: string;
}

const ROOT = "/sys/fs/cgroup";
const VERSIONS: readonly Version[] = [
  { folder: path.join(ROOT, "memory"), limit: "memory.limit_in_bytes", events: "memory.oom_control" },
  { folder: ROOT, limit: "memory.max", events: "memory.events" },
];

export interface MemoryGroup {
  /** Puts a process, and those that it starts from now on, under the limit. */
  add(pid: number): void;
  /** How many processes the kernel has killed in it. */
  killed(): number;
}

/** Empty groups alone can be removed. */
function make({ folder, limit }: Version, name: string, limitBytes: number): string | null {
  const group = path.join(folder, name);
  try {
    mkdirSync(group);
  } catch {
    return null;
  }
  try {
    if (!existsSync(path.join(group, limit))) throw new Error("no memory controller");
    writeFileSync(path.join(group, limit), String(limitBytes));
    return group;
  } catch {
    rmdirSync(group);
    return null;
  }
}

function versionHere(): Version | null {
  for (const version of VERSIONS) {
    if (!existsSync(version.folder)) continue;
    const group = make(version, `magdi-probe-${process.pid}`, 64 * 2 ** 20);
    if (group === null) continue;
    rmdirSync(group);
    return version;
  }
  return null;
}

const version = versionHere();
/** Why there is none to be had here; false where there is. */
export const NO_MEMORY_GROUPS = version === null && "no control group with a memory limit can be made here";

let groups = 0;

/** It is gone when the test ends, after what was added to it. */
export function memoryGroup(t: TestContext, limitBytes: number): MemoryGroup {
  if (version === null) throw new Error(String(NO_MEMORY_GROUPS));
  const group = make(version, `magdi-test-${process.pid}-${groups++}`, limitBytes);
  if (group === null) throw new Error("no control group can be made any more");
  const { events } = version;
  t.after(() => {
    try {
      rmdirSync(group);
    } catch {
      // A process of it is not quite gone; an empty group costs nothing.
    }
  });
  return {
    add: (pid) => writeFileSync(path.join(group, "cgroup.procs"), String(pid)),
    killed: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(path.join(group, events), "utf8"))?.[1] ?? 0),
  };
}
