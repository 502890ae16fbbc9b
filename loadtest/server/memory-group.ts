// A control group with a memory limit (Linux cgroups, versions 1 and 2) for a process, where this machine lets one be made.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";

interface Version {
  /** Where groups are made. */
  readonly folder: string;
  readonly limit: string;
  readonly usage: string;
  /** The kernel's count of processes that it killed. */
  readonly events: string;
  /** Before the names in memory.stat that count groups below too. */
  readonly total: string;
}

const ROOT = "/sys/fs/cgroup";
const VERSIONS: readonly Version[] = [
  {
    folder: path.join(ROOT, "memory"),
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    events: "memory.oom_control",
    total: "total_",
  },
  { folder: ROOT, limit: "memory.max", usage: "memory.current", events: "memory.events", total: "" },
];

export interface MemoryGroup {
  /** Puts a process, and those that it starts from now on, under the limit. */
  add(pid: number): void;
  /** What its processes and the kernel hold for it: without pages of files, which are dropped when memory is short. */
  heldBytes(): number;
  /** How many processes the kernel has killed in it. */
  killed(): number;
  /** Does nothing while a process of it is not quite gone; an empty group costs nothing. */
  remove(): void;
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

/** A new group without processes. @throws Error where NO_MEMORY_GROUPS says so */
export function makeMemoryGroup(limitBytes: number): MemoryGroup {
  if (version === null) throw new Error(String(NO_MEMORY_GROUPS));
  const group = make(version, `magdi-${process.pid}-${groups++}`, limitBytes);
  if (group === null) throw new Error("no control group can be made any more");
  const { usage, events, total } = version;
  const read = (file: string) => readFileSync(path.join(group, file), "utf8");
  const count = (file: string, name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, "m").exec(read(file))?.[1] ?? 0);
  return {
    add: (pid) => writeFileSync(path.join(group, "cgroup.procs"), String(pid)),
    heldBytes: () =>
      Number(read(usage)) -
      count("memory.stat", `${total}inactive_file`) -
      count("memory.stat", `${total}active_file`),
    killed: () => count(events, "oom_kill"),
    remove: () => {
      try {
        rmdirSync(group);
      } catch {
        // Not empty yet.
      }
    },
  };
}
