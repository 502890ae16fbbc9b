// What CUDA needs: an NVIDIA GPU, its driver, ONNX Runtime's CUDA provider, and the CUDA libraries that the installed
// provider is linked to.

import { existsSync } from "node:fs";
import path from "node:path";
import type { Check } from "./check.ts";
import { install } from "./distribution.ts";
import type { Host } from "./host.ts";
import { neededLibraries } from "./shared-library.ts";

const PROVIDER = "libonnxruntime_providers_cuda.so";
const PROVIDERS = ["libonnxruntime_providers_shared.so", PROVIDER];
/** What the provider that the remedy installs is linked to. */
const USUALLY_NEEDED = ["libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10"];
const CUDNN = "libcudnn.so.9";

/** The PyPI package with each library, for any distribution. */
const WHEELS: Readonly<Record<string, string>> = {
  libcudart: "nvidia-cuda-runtime",
  libcublas: "nvidia-cublas",
  libcublasLt: "nvidia-cublas",
  libcufft: "nvidia-cufft",
  libcurand: "nvidia-curand",
  libcudnn: "nvidia-cudnn",
  libnvrtc: "nvidia-cuda-nvrtc",
};

/** A major version of CUDA: the oldest driver that its minor versions are compatible with, and NVIDIA's packages. */
const RELEASES: Readonly<Record<number, { readonly driver: string; readonly packages: string }>> = {
  12: { driver: "525.60.13", packages: "cuda-libraries-12-8" },
  13: { driver: "580.65.06", packages: "cuda-libraries-13-0" },
};
const NEWEST = 13;

/** ONNX Runtime as it is installed here. */
export interface RuntimePlace {
  /** The folder of its library, where it looks for its providers. */
  readonly folder: string;
  readonly version: string;
}

interface CudaNeeds {
  readonly major: number;
  /** Their sonames. */
  readonly libraries: readonly string[];
}

function needsOf({ folder }: RuntimePlace): CudaNeeds {
  const linked = neededLibraries(path.join(folder, PROVIDER)).filter((name) => nameOf(name) in WHEELS);
  const libraries = linked.length > 0 ? linked : USUALLY_NEEDED;
  const runtime = libraries.find((name) => nameOf(name) === "libcudart");
  return { major: runtime === undefined ? NEWEST : Number(soVersion(runtime)), libraries };
}

const nameOf = (library: string): string => library.split(".so")[0] ?? library;
const soVersion = (library: string): string => library.split(".so.")[1] ?? "";

const older = (version: string, least: string): boolean => {
  const [a, b] = [version, least].map((text) => text.split(".").map(Number)) as [number[], number[]]; // of two
  const at = b.findIndex((part, index) => (a[index] ?? 0) !== part);
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
};

const inContainer = (host: Host): boolean => host.exists("/.dockerenv") || host.exists("/run/.containerenv");

function driverRemedy(host: Host): string {
  if (inContainer(host)) {
    return "start the container with --gpus all, on a host with NVIDIA's driver and its Container Toolkit";
  }
  const packages = {
    debian: "nvidia-driver (Debian, from non-free; on Ubuntu: ubuntu-drivers install)",
    fedora: "akmod-nvidia (from RPM Fusion's nonfree; on RHEL: from NVIDIA's repository)",
    suse: "nvidia-driver-G06-kmp-default (from NVIDIA's repository)",
    arch: "nvidia nvidia-utils",
  };
  return install(host, packages) ?? "install NVIDIA's driver: https://www.nvidia.com/drivers";
}

function driverCheck(host: Host, { major }: CudaNeeds): Check {
  const base = { name: "NVIDIA driver", device: "cuda" } as const;
  const text = host.read("/proc/driver/nvidia/version");
  const version = text === null ? null : (/\b(\d{3}\.\d+(?:\.\d+)?)\b/.exec(text)?.[1] ?? null);
  const library = host.findLibrary("libcuda.so.1");
  const nodes = host.list("/dev").filter((name) => /^nvidia\d+$/.test(name));
  const lacks = [
    ...(text === null ? ["kernel module"] : []),
    ...(library === null ? ["libcuda.so.1"] : []),
    ...(nodes.length === 0 ? ["/dev/nvidia0"] : []),
  ];
  if (lacks.length > 0) {
    const there = version === null ? "" : `version ${version}, but `;
    const found = `${there}no ${lacks.join(", no ")}`;
    return { ...base, status: "missing", found, remedy: driverRemedy(host) };
  }
  const least = RELEASES[major]?.driver;
  if (version !== null && least !== undefined && older(version, least)) {
    const found = `version ${version}; CUDA ${major} needs ${least}`;
    return { ...base, status: "missing", found, remedy: driverRemedy(host) };
  }
  const found = `version ${version ?? "unknown"}, ${nodes.length} ${nodes.length === 1 ? "GPU" : "GPUs"}`;
  return { ...base, status: "ok", found, remedy: null };
}

function providerCheck({ folder, version }: RuntimePlace): Check {
  const base = { name: "ONNX Runtime's CUDA provider", device: "cuda" } as const;
  const missing = PROVIDERS.filter((name) => !existsSync(path.join(folder, name)));
  if (missing.length === 0) return { ...base, status: "ok", found: folder, remedy: null };
  return {
    ...base,
    status: "missing",
    found: `no ${missing.join(", no ")} in ${folder}`,
    remedy: `python3 -m pip install --no-deps --target cuda onnxruntime-gpu==${version} && cp cuda/onnxruntime/capi/libonnxruntime_providers_[cs]*.so ${folder}`,
  };
}

/** The command that installs CUDA libraries from PyPI, and their folder for LD_LIBRARY_PATH. */
function wheels(libraries: readonly string[], major: number): string {
  const packages = libraries.map((library) => {
    const wheel = WHEELS[nameOf(library)] ?? "";
    const suffixed = major === 12 || library === CUDNN;
    return suffixed ? `${wheel}-cu${major}` : `"${wheel}==${soVersion(library)}.*"`;
  });
  const folder =
    major === 12 || libraries.includes(CUDNN) ? "cuda/nvidia/*/lib" : `cuda/nvidia/cu${major}/lib`;
  return `python3 -m pip install --target cuda ${[...new Set(packages)].join(" ")}, and LD_LIBRARY_PATH with ${folder}`;
}

function libraryRemedy(host: Host, libraries: readonly string[], major: number, packages: string): string {
  const anywhere = wheels(libraries, major);
  const theirs = `${packages}, from https://developer.nvidia.com/cuda-downloads`;
  const installed = install(host, { debian: theirs, fedora: theirs, suse: theirs });
  return installed === null ? anywhere : `${installed}; or ${anywhere}`;
}

function libraryCheck(host: Host, { major, libraries }: CudaNeeds): Check {
  const base = { name: `CUDA ${major}`, device: "cuda" } as const;
  const missing = libraries.filter((name) => host.findLibrary(name) === null);
  if (missing.length === 0) return { ...base, status: "ok", found: libraries.join(", "), remedy: null };
  const packages = RELEASES[major]?.packages ?? `cuda-libraries of CUDA ${major}`;
  return {
    ...base,
    status: "missing",
    found: `no ${missing.join(", no ")} where libraries are looked for`,
    remedy: libraryRemedy(host, missing, major, packages),
  };
}

/** The provider opens cuDNN at the first reduction along an axis, which serving graphs do not have. */
function cudnnCheck(host: Host, { major }: CudaNeeds): Check {
  const base = { name: "cuDNN 9", device: "cuda" } as const;
  if (host.findLibrary(CUDNN) !== null) return { ...base, status: "ok", found: CUDNN, remedy: null };
  return {
    ...base,
    status: "note",
    found: `no ${CUDNN} where libraries are looked for; training needs it, serving does not`,
    remedy: libraryRemedy(host, [CUDNN], major, `libcudnn9-cuda-${major}`),
  };
}

export function nvidiaChecks(host: Host, runtime: RuntimePlace): Check[] {
  const base = { device: "cuda", remedy: null } as const;
  if (host.platform !== "linux" || host.architecture !== "x64") {
    const found = `onnxruntime-node has CUDA for Linux on x64, and this is ${host.platform} on ${host.architecture}`;
    return [{ ...base, name: "CUDA", status: "missing", found }];
  }
  const vendors = host.gpuVendors();
  if (!vendors.includes("NVIDIA") && !host.exists("/proc/driver/nvidia/version")) {
    const found = `none on the PCI bus${vendors.length === 0 ? "" : `, but from ${vendors.join(", ")}`}`;
    return [{ ...base, name: "NVIDIA GPU", status: "missing", found }];
  }
  const needs = needsOf(runtime);
  const own = [driverCheck(host, needs), providerCheck(runtime), libraryCheck(host, needs)];
  return needs.libraries.includes(CUDNN) ? own : [...own, cudnnCheck(host, needs)];
}
