// How much memory this process may come to hold, what it holds already included: what its control groups and the machine
// leave it. Whoever holds more in a group is killed without a word.

import { totalmem } from "node:os";
import {
  type ControlGroup,
  type ControlGroupSources,
  controlGroupsOf,
  readSystemFile,
} from "./control-groups.ts";

export interface MemorySources extends ControlGroupSources {
  /** Default: /proc/meminfo */
  readonly meminfo?: string;
  /** What this process holds already. Default: read from /proc/self/status */
  readonly ownBytes?: number;
}

export interface UsableMemory {
  readonly bytes: number;
  /** What bounds it, as messages say it. */
  readonly boundedBy: string;
}

const KIBIBYTE = 1024;
const MEBIBYTE = 2 ** 20;

/** "name  123 kB" of a file in /proc. */
function kibibytes(text: string | null, name: string): number | null {
  const found = new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(text ?? "")?.[1];
  return found === undefined ? null : Number(found) * KIBIBYTE;
}

/** A file's number; NaN for "max" and where there is none. */
const numberIn = (group: ControlGroup, file: string): number => Number(group.read(file) || Number.NaN);

const isLimit = (bytes: number | undefined): bytes is number => bytes !== undefined && bytes > 0;

/** What one group leaves: its limit without what others hold in it. Pages of files are dropped when memory is short. */
function leftIn(group: ControlGroup, ownBytes: number): UsableMemory | null {
  const first = group.version === 1;
  const limits = (first ? ["memory.limit_in_bytes"] : ["memory.max", "memory.high"]).map((file) =>
    numberIn(group, file),
  );
  const limit = Math.min(...limits.filter(isLimit));
  if (!Number.isFinite(limit)) return null;
  const used = numberIn(group, first ? "memory.usage_in_bytes" : "memory.current") || 0;
  const left = Math.min(limit, limit - Math.max(0, used - filePages(group)) + ownBytes);
  const taken = left < limit ? `, of which others hold ${Math.round((limit - left) / MEBIBYTE)}` : "";
  return {
    bytes: Math.max(0, left),
    boundedBy: `the limit of ${Math.round(limit / MEBIBYTE)} MiB of control group ${group.name}${taken}`,
  };
}

function filePages(group: ControlGroup): number {
  const total = group.version === 1 ? "total_" : "";
  const text = group.read("memory.stat") ?? "";
  const count = (name: string) => Number(new RegExp(`^${total}${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  return count("inactive_file") + count("active_file");
}

export function usableMemory(sources: MemorySources = {}): UsableMemory {
  const status = readSystemFile("/proc/self/status");
  const ownBytes =
    sources.ownBytes ?? (kibibytes(status, "RssAnon") ?? 0) + (kibibytes(status, "RssShmem") ?? 0);
  const available = kibibytes(readSystemFile(sources.meminfo ?? "/proc/meminfo"), "MemAvailable");
  let least: UsableMemory =
    available === null
      ? { bytes: totalmem(), boundedBy: "the machine's memory" }
      : { bytes: available + ownBytes, boundedBy: "what the machine has available" };
  for (const group of controlGroupsOf("memory", sources)) {
    const left = leftIn(group, ownBytes);
    if (left !== null && left.bytes < least.bytes) least = left;
  }
  return least;
}
