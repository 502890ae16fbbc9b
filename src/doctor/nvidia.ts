// What CUDA needs: an NVIDIA GPU, its driver, ONNX Runtime's provider libraries, and the CUDA 12 and cuDNN 9 libraries
// that they are linked to.

import { existsSync } from "node:fs";
import path from "node:path";
import type { Check } from "./check.ts";
import { install } from "./distribution.ts";
import type { Host } from "./host.ts";
import { gpusOf } from "./pci.ts";

/** The oldest driver that CUDA 12's minor versions are compatible with. */
const LEAST_DRIVER = "525.60.13";
const PROVIDERS = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];
/** What the provider is linked to, with the PyPI package that brings it to any distribution. */
const CUDA_LIBRARIES = {
  "libcudart.so.12": "nvidia-cuda-runtime-cu12",
  "libcublas.so.12": "nvidia-cublas-cu12",
  "libcublasLt.so.12": "nvidia-cublas-cu12",
  "libcufft.so.11": "nvidia-cufft-cu12",
  "libcurand.so.10": "nvidia-curand-cu12",
  "libcudnn.so.9": "nvidia-cudnn-cu12",
};

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

function driverCheck(host: Host): Check {
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
  if (version !== null && older(version, LEAST_DRIVER)) {
    const found = `version ${version}; CUDA 12 needs ${LEAST_DRIVER}`;
    return { ...base, status: "missing", found, remedy: driverRemedy(host) };
  }
  const found = `version ${version ?? "not told"}, ${nodes.length} ${nodes.length === 1 ? "GPU" : "GPUs"}`;
  return { ...base, status: "ok", found, remedy: null };
}

function providerCheck(libraryFolder: string): Check {
  const base = { name: "ONNX Runtime's CUDA provider", device: "cuda" } as const;
  const missing = PROVIDERS.filter((name) => !existsSync(path.join(libraryFolder, name)));
  if (missing.length === 0) return { ...base, status: "ok", found: libraryFolder, remedy: null };
  return {
    ...base,
    status: "missing",
    found: `no ${missing.join(", no ")} in ${libraryFolder}`,
    remedy:
      "ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false, which downloads them from nuget.org",
  };
}

function libraryCheck(host: Host): Check {
  const base = { name: "CUDA 12 and cuDNN 9", device: "cuda" } as const;
  const missing = Object.keys(CUDA_LIBRARIES).filter((name) => host.findLibrary(name) === null);
  if (missing.length === 0) {
    return { ...base, status: "ok", found: Object.keys(CUDA_LIBRARIES).join(", "), remedy: null };
  }
  const wheels = [
    ...new Set(
      Object.entries(CUDA_LIBRARIES).flatMap(([name, wheel]) => (missing.includes(name) ? [wheel] : [])),
    ),
  ].join(" ");
  const anywhere = `python3 -m pip install --target cuda ${wheels}, and LD_LIBRARY_PATH with the folders cuda/nvidia/*/lib`;
  const theirs = "cuda-libraries-12-8 libcudnn9-cuda-12, from https://developer.nvidia.com/cuda-downloads";
  const installed = install(host, { debian: theirs, fedora: theirs, suse: theirs });
  return {
    ...base,
    status: "missing",
    found: `no ${missing.join(", no ")} where libraries are looked for`,
    remedy: installed === null ? anywhere : `${installed}; or ${anywhere}`,
  };
}

/** `libraryFolder` is where ONNX Runtime's own library lies. */
export function nvidiaChecks(host: Host, libraryFolder: string): Check[] {
  const base = { device: "cuda", remedy: null } as const;
  if (host.platform !== "linux" || host.architecture !== "x64") {
    const found = `onnxruntime-node has CUDA for Linux on x64, and this is ${host.platform} on ${host.architecture}`;
    return [{ ...base, name: "CUDA", status: "missing", found }];
  }
  const gpus = gpusOf(host).filter(({ vendor }) => vendor === "NVIDIA");
  if (gpus.length === 0 && !host.exists("/proc/driver/nvidia/version")) {
    const others = gpusOf(host).map(({ vendor }) => vendor);
    const found = `none on the PCI bus${others.length === 0 ? "" : `, but from ${others.join(", ")}`}`;
    return [{ ...base, name: "NVIDIA GPU", status: "missing", found }];
  }
  return [driverCheck(host), providerCheck(libraryFolder), libraryCheck(host)];
}
