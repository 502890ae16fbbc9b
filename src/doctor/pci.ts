// The graphics processors on the PCI bus, by vendor, as Linux lists them.

import type { Host } from "./host.ts";

const VENDORS: Readonly<Record<string, string>> = { "0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel" };
const DEVICES = "/sys/bus/pci/devices";

export interface Gpu {
  /** NVIDIA, AMD, Intel, or the vendor's number. */
  readonly vendor: string;
  /** Its place on the bus. */
  readonly place: string;
}

/** Displays (class 3) of any kind; those of a virtual machine's console too. */
export function gpusOf(host: Host): Gpu[] {
  return host.list(DEVICES).flatMap((place) => {
    if (!host.read(`${DEVICES}/${place}/class`)?.startsWith("0x03")) return [];
    const vendor = host.read(`${DEVICES}/${place}/vendor`) ?? "unknown";
    return [{ vendor: VENDORS[vendor] ?? vendor, place }];
  });
}
