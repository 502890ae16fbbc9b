// How many connections there is room for: as many as the settings say, or as the process may have file descriptors.
import { readFileSync } from "node:fs";

export interface ConnectionRoom {
  /** Connections that may do everything. */
  readonly connections: number;
  /** Further ones, on which only the probes are answered. */
  readonly probes: number;
}

/** The model's files, pipes, the log, the tracer's connections, connections that are being closed. */
const OTHER_DESCRIPTORS = 96;
/** At most as many as the kernel has waiting, which are all accepted at one moment. */
const MAX_PROBES = 512;
const MIN_PROBES = 64;

/** `descriptors` is what the process may have open; null if that is unknown. */
export function connectionRoom(maxConnections: number, descriptors: number | null): ConnectionRoom {
  const wanted = Math.min(MAX_PROBES, Math.max(MIN_PROBES, Math.ceil(maxConnections / 8)));
  if (descriptors === null) return { connections: maxConnections, probes: wanted };
  const free = Math.max(16, descriptors - OTHER_DESCRIPTORS);
  const probes = Math.min(wanted, Math.ceil(free / 8));
  return { connections: Math.min(maxConnections, free - probes), probes };
}

/** Node raises the soft limit to the hard one when it starts. Null where the system does not say. */
export function descriptorLimit(): number | null {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}
