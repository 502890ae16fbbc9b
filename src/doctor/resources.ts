// What a server needs of the machine besides processors: memory, disk, file descriptors.

import { statfsSync } from "node:fs";
import { usableMemory } from "../runtime/usable-memory.ts";
import type { Check } from "./check.ts";
import type { Host } from "./host.ts";

/** The memory that a served student takes. */
export interface StudentNeeds {
  readonly name: string;
  readonly dtype: string;
  /** The size of its data files. */
  readonly weightBytes: number;
  /** Keys and values when every row is full. */
  readonly cacheBytes: number;
}

/** Node, the libraries, the server and its requests. */
const PROCESS_BYTES = 200e6;
const MEBIBYTE = 2 ** 20;
const mebibytes = (bytes: number): string => `${Math.round(bytes / MEBIBYTE)} MiB`;

function availableBytes(host: Host): number {
  const { bytes } = usableMemory({
    controlGroups: host.place("/sys/fs/cgroup"),
    membership: host.place("/proc/self/cgroup"),
    meminfo: host.place("/proc/meminfo"),
    ownBytes: 0,
  });
  return bytes;
}

/** Free memory against the student's needs. A GPU holds weights and cache itself, but they are loaded through here. */
export function memoryCheck(host: Host, needs: StudentNeeds): Check {
  const free = availableBytes(host);
  const least = needs.weightBytes + PROCESS_BYTES;
  const most = least + needs.cacheBytes;
  const found = `${mebibytes(free)} available; ${needs.name} in ${needs.dtype} takes ${mebibytes(least)}, and ${mebibytes(most)} when every row is full`;
  const base = { name: "memory", device: null, found } as const;
  if (free >= most) return { ...base, status: "ok", remedy: null };
  if (free >= least) {
    const remedy = "serve with a smaller --context-length or --batch-rows, or give it more memory";
    return { ...base, status: "warning", remedy };
  }
  const remedy = "give it more memory, import the student in a smaller --dtype, or serve a smaller student";
  return { ...base, status: "missing", remedy };
}

const LEAST_DISK_BYTES = 1e9;

/** Free disk, where students are written and downloads kept. `folder` is a real one, not one of the host's root. */
export function diskCheck(folder: string): Check {
  const base = { name: "disk", device: null } as const;
  try {
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    const found = `${mebibytes(free)} free in ${folder}`;
    if (free >= LEAST_DISK_BYTES) return { ...base, status: "ok", found, remedy: null };
    const remedy =
      "free some: an import writes the student beside its place first, and $MAGDI_CACHE holds what was downloaded";
    return { ...base, status: "warning", found, remedy };
  } catch {
    return { ...base, status: "note", found: `${folder} cannot be read`, remedy: null };
  }
}

/** A connection takes one, a student some dozens. */
const LEAST_DESCRIPTORS = 1024;

export function descriptorCheck(host: Host): Check {
  const base = { name: "file descriptors", device: null } as const;
  const limits = host.read("/proc/self/limits") ?? "";
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? [];
  if (soft === undefined) return { ...base, status: "note", found: "their limit is unknown", remedy: null };
  const found = `at most ${soft}, which may be raised to ${hard}`;
  if (soft === "unlimited" || Number(soft) >= LEAST_DESCRIPTORS) {
    return { ...base, status: "ok", found, remedy: null };
  }
  const remedy = `each connection takes one: ulimit -n ${LEAST_DESCRIPTORS * 4}, or LimitNOFILE= in a unit of systemd`;
  return { ...base, status: "warning", found, remedy };
}
