// The machine as its files show it, below a root that tests make up: texts, folders, shared libraries. It knows no
// check.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export interface HostOptions {
  readonly root?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly platform?: string;
  readonly architecture?: string;
}

/** Where the dynamic linker looks without being told, and where CUDA's packages put what it is then told of. */
const LIBRARY_FOLDERS = [
  "/lib",
  "/usr/lib",
  "/lib64",
  "/usr/lib64",
  "/usr/local/lib",
  "/usr/local/cuda/lib64",
];

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

  /** Where a file of this machine really lies. */
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

  /** The names in a folder, in order; none where it cannot be read. */
  list(folder: string): string[] {
    try {
      return readdirSync(this.place(folder)).sort();
    } catch {
      return [];
    }
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

  /** What /etc/ld.so.conf.d tells the linker of. */
  #configuredFolders(): string[] {
    return this.list("/etc/ld.so.conf.d").flatMap((name) =>
      (this.read(`/etc/ld.so.conf.d/${name}`) ?? "")
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line.startsWith("/")),
    );
  }
}
