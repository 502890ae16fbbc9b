// Whether a process is still running, and the same one: its id may belong to another one by now.

import { readFileSync } from "node:fs";

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // sends nothing
    return true;
  } catch (error) {
    // EPERM: another user's process.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/** When a process began, as Linux counts it: the boot, and the ticks since then. Null where the system does not say. */
export function startOf(pid: number): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name in brackets, which may have spaces: field 22 of proc(5) is the 20th from there.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return ticks === undefined ? null : `${boot} ${ticks}`;
  } catch {
    return null;
  }
}
