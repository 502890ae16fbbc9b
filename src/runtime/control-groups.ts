// The control groups (Linux cgroups, versions 1 and 2) that bound this process for one controller: their folders, from its
// own group up to the root. It does not know what the files in them mean.

import { readFileSync } from "node:fs";
import path from "node:path";

export interface ControlGroupSources {
  /** Where control groups are mounted. Default: /sys/fs/cgroup */
  readonly controlGroups?: string;
  /** The file with this process's groups, one line per hierarchy: "0::/path" or "4:cpu,cpuacct:/path". */
  readonly membership?: string;
}

export interface ControlGroup {
  readonly version: 1 | 2;
  /** As the process sees it: "/" is the root of the mount. */
  readonly name: string;
  /** A file of the group, trimmed; null where it cannot be read. */
  read(file: string): string | null;
}

/** A file's text, trimmed; null where it cannot be read. */
export function readSystemFile(file: string): string | null {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return null;
  }
}

/** Each group is bounded by those above it. In a container the path may be the host's, and the root our group. */
export function controlGroupsOf(controller: string, sources: ControlGroupSources = {}): ControlGroup[] {
  const { controlGroups = "/sys/fs/cgroup", membership = "/proc/self/cgroup" } = sources;
  const groups: ControlGroup[] = [];
  for (const line of (readSystemFile(membership) ?? "").split("\n")) {
    const [, number, controllers = "", group = "/"] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (number !== "0" && !controllers.split(",").includes(controller)) continue;
    const root = number === "0" ? controlGroups : path.join(controlGroups, controller);
    for (let name = path.posix.join("/", group); ; name = path.posix.dirname(name)) {
      const folder = path.join(root, name);
      groups.push({
        version: number === "0" ? 2 : 1,
        name,
        read: (file) => readSystemFile(path.join(folder, file)),
      });
      if (name === "/") break;
    }
  }
  return groups;
}
