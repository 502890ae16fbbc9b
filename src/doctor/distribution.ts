// The Linux distribution of a machine, and the command that installs packages on it.

import type { Host } from "./host.ts";

const MANAGERS = {
  debian: "apt-get install",
  fedora: "dnf install",
  suse: "zypper install",
  arch: "pacman -S",
} as const;
type Family = keyof typeof MANAGERS;

const FAMILY_OF: Readonly<Record<string, Family>> = {
  debian: "debian",
  ubuntu: "debian",
  fedora: "fedora",
  rhel: "fedora",
  centos: "fedora",
  rocky: "fedora",
  almalinux: "fedora",
  amzn: "fedora",
  suse: "suse",
  opensuse: "suse",
  arch: "arch",
};

function osRelease(host: Host, key: string): string {
  const text = host.read("/etc/os-release") ?? host.read("/usr/lib/os-release") ?? "";
  return new RegExp(`^${key}="?([^"\\n]*)"?$`, "m").exec(text)?.[1] ?? "";
}

/** Its display name, such as "Debian GNU/Linux 12 (bookworm)". */
export const distributionName = (host: Host): string => osRelease(host, "PRETTY_NAME") || "an unknown Linux";

/** Null for a distribution that is not in the table. */
function familyOf(host: Host): Family | null {
  const ids = [osRelease(host, "ID"), ...osRelease(host, "ID_LIKE").split(" ")];
  return ids.map((id) => FAMILY_OF[id.split("-")[0] ?? ""]).find((family) => family !== undefined) ?? null;
}

/** The command that installs the family's packages; null for an unknown distribution, or where its packages are. */
export function install(host: Host, packages: Readonly<Partial<Record<Family, string>>>): string | null {
  const family = familyOf(host);
  const wanted = family === null ? undefined : packages[family];
  return family === null || wanted === undefined ? null : `as root: ${MANAGERS[family]} ${wanted}`;
}
