// How many processors this process may keep busy: those in its affinity mask, limited by its control groups' CPU quota.
// With more threads than that they use up the quota while they wait for each other, and are all throttled.

import { availableParallelism } from "node:os";
import { type ControlGroup, type ControlGroupSources, controlGroupsOf } from "./control-groups.ts";

export interface ProcessorSources extends ControlGroupSources {
  /** Default: the processors of the affinity mask. */
  readonly parallelism?: number;
}

/** The quota of one group in processors: version 2's "max 100000" or "150000 100000", or version 1's two files. */
function quotaOf(group: ControlGroup): number {
  const text =
    group.read("cpu.max") ?? `${group.read("cpu.cfs_quota_us")} ${group.read("cpu.cfs_period_us")}`;
  const [quota, period] = text.split(" ").map(Number);
  const processors = (quota ?? Number.NaN) / (period ?? Number.NaN);
  return processors > 0 ? processors : Number.POSITIVE_INFINITY;
}

/** At least 1; a quota is rounded down to whole processors. */
export function usableProcessors(sources: ProcessorSources = {}): number {
  const quotas = controlGroupsOf("cpu", sources).map(quotaOf);
  return Math.max(1, Math.floor(Math.min(sources.parallelism ?? availableParallelism(), ...quotas)));
}
