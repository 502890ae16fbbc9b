// A machine of files that a test writes.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Host, type HostOptions } from "../../../src/doctor/host.ts";

export const DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n';
export const UBUNTU = 'PRETTY_NAME="Ubuntu 24.04"\nID=ubuntu\nID_LIKE=debian\n';
export const ROCKY = 'PRETTY_NAME="Rocky Linux 9.4"\nID="rocky"\nID_LIKE="rhel centos fedora"\n';
export const TUMBLEWEED =
  'PRETTY_NAME="openSUSE Tumbleweed"\nID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n';
export const ARCH = 'PRETTY_NAME="Arch Linux"\nID=arch\n';

/** The files of a PCI device that displays. */
export const gpu = (vendor: string, place = "0000:01:00.0"): Record<string, string> => ({
  [`/sys/bus/pci/devices/${place}/class`]: "0x030000",
  [`/sys/bus/pci/devices/${place}/vendor`]: vendor,
});

export function madeUpHost(
  t: { after(f: () => void): void },
  files: Readonly<Record<string, string>>,
  options: Omit<HostOptions, "root"> = {},
): Host {
  const root = mkdtempSync(path.join(tmpdir(), "magdi-host-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), `${text}\n`);
  }
  return new Host({ root, platform: "linux", architecture: "x64", environment: {}, ...options });
}
