// The machine as its files show it: texts, folders, shared libraries, GPUs. Tests give it a root folder of their own.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export interface HostOptions {
  readonly root?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly platform?: string;
  readonly architecture?: string;
}

/** Where the dynamic linker looks by default, and where CUDA's packages install their libraries. */
const LIBRARY_FOLDERS = [
  "/lib",
  "/usr/lib",
  "/lib64",
  "/usr/lib64",
  "/usr/local/lib",
  "/usr/local/cuda/lib64",
];

const PCI_DEVICES = "/sys/bus/pci/devices";
const GPU_VENDORS: Readonly<Record<string, string>> = {
  "0x10de": "NVIDIA",
  "0x1002": "AMD",
  "0x8086": "Intel",
};

export class Host {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  readonly architecture: string;
  readonly #root: string;

  constructor(options: HostOptions = {}) {
    this.#root = options.root ?? "/";
    this.environment = options.environment ?? process.env;
    this.platform = options.platform ?? process.platform;
    this.architecture = options.architecture ?? process.arch;
  }

  /** The path of the machine's file below the root. */
  place(file: string): string {
    return path.join(this.#root, file);
  }

  /** A file's text, trimmed; null where it cannot be read. */
  read(file: string): string | null {
    try {
      return readFileSync(this.place(file), "utf8").trim();
    } catch {
      return null;
    }
  }

  exists(file: string): boolean {
    return existsSync(this.place(file));
  }

  /** The names in a folder, sorted; none where it cannot be read. */
  list(folder: string): string[] {
    try {
      return readdirSync(this.place(folder)).sort();
    } catch {
      return [];
    }
  }

  /** The vendor of each GPU on the PCI bus: NVIDIA, AMD, Intel, or its number. Displays (class 3) of any kind count, also
   * that of a virtual machine's console. */
  gpuVendors(): string[] {
    return this.list(PCI_DEVICES).flatMap((device) => {
      if (!this.read(`${PCI_DEVICES}/${device}/class`)?.startsWith("0x03")) return [];
      const vendor = this.read(`${PCI_DEVICES}/${device}/vendor`) ?? "unknown";
      return [GPU_VENDORS[vendor] ?? vendor];
    });
  }

  /** The folders of a variable such as LD_LIBRARY_PATH. */
  folders(variable: string): string[] {
    return (this.environment[variable] ?? "").split(":").filter((folder) => folder !== "");
  }

  /** Where the dynamic linker would find a shared library; null where it would not. */
  findLibrary(name: string): string | null {
    const triple = this.architecture === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
    const places = [
      ...this.folders("LD_LIBRARY_PATH"),
      ...this.#configuredFolders(),
      ...LIBRARY_FOLDERS,
      `/lib/${triple}`,
      `/usr/lib/${triple}`,
    ];
    return places.map((folder) => path.posix.join(folder, name)).find((file) => this.exists(file)) ?? null;
  }

  /** The folders that /etc/ld.so.conf.d adds to the linker's search path. */
  #configuredFolders(): string[] {
    return this.list("/etc/ld.so.conf.d").flatMap((name) =>
      (this.read(`/etc/ld.so.conf.d/${name}`) ?? "")
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line.startsWith("/")),
    );
  }
}
