// How many processors this process may keep busy: those in its affinity mask, limited by its control groups' CPU quota.
// With more threads than that they use up the quota while they wait for each other, and are all throttled.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";

export interface ProcessorSources {
  /** Default: the processors of the affinity mask. */
  readonly parallelism?: number;
  /** Where control groups are mounted. */
  readonly controlGroups?: string;
  /** The file with this process's groups, one line per hierarchy: "0::/path" or "4:cpu,cpuacct:/path". */
  readonly membership?: string;
}

const read = (file: string): string | null => {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return null;
  }
};

/** The quota of one group in processors: version 2's "max 100000" or "150000 100000", or version 1's two files. */
function quotaOf(group: string): number {
  const text =
    read(path.join(group, "cpu.max")) ??
    `${read(path.join(group, "cpu.cfs_quota_us"))} ${read(path.join(group, "cpu.cfs_period_us"))}`;
  const [quota, period] = text.split(" ").map(Number);
  const processors = (quota ?? Number.NaN) / (period ?? Number.NaN);
  return processors > 0 ? processors : Number.POSITIVE_INFINITY;
}

/** At least 1; a quota is rounded down to whole processors. */
export function usableProcessors(sources: ProcessorSources = {}): number {
  const { controlGroups = "/sys/fs/cgroup", membership = "/proc/self/cgroup" } = sources;
  let least = sources.parallelism ?? availableParallelism();
  for (const line of (read(membership) ?? "").split("\n")) {
    const [, number, controllers = "", group = "/"] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (number !== "0" && !controllers.split(",").includes("cpu")) continue;
    const root = number === "0" ? controlGroups : path.join(controlGroups, "cpu");
    // Each group is bounded by those above it. In a container the path may be the host's, and the root our group.
    for (let at = path.posix.join("/", group); ; at = path.posix.dirname(at)) {
      least = Math.min(least, quotaOf(path.join(root, at)));
      if (at === "/") break;
    }
  }
  return Math.max(1, Math.floor(least));
}
