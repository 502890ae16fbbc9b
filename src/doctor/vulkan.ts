// What WebGPU needs on Linux: the Vulkan loader, a driver that it finds, and permission to open the GPU.

import { accessSync, constants } from "node:fs";
import path from "node:path";
import type { Check } from "./check.ts";
import { install } from "./distribution.ts";
import type { Host } from "./host.ts";

const LOADER = "libvulkan.so.1";
const MANIFEST_FOLDERS = ["/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d"];

/** A driver as its manifest (ICD file) describes it. */
interface Driver {
  readonly manifest: string;
  readonly library: string;
  readonly there: boolean;
}

function driverOf(host: Host, manifest: string): Driver | null {
  try {
    const json: unknown = JSON.parse(host.read(manifest) ?? "");
    const library = (json as { ICD?: { library_path?: unknown } }).ICD?.library_path; // looked at below
    if (typeof library !== "string") return null;
    // A bare name is looked up like any library; a path is relative to the manifest.
    const there = library.includes("/")
      ? host.exists(path.posix.resolve(path.posix.dirname(manifest), library))
      : host.findLibrary(library) !== null;
    return { manifest, library, there };
  } catch {
    return null;
  }
}

/** Those that the environment names, else all in the loader's folders. */
function manifestsOf(host: Host): string[] {
  const told = [...host.folders("VK_DRIVER_FILES"), ...host.folders("VK_ICD_FILENAMES")];
  if (told.length > 0) return told;
  const own =
    host.environment.HOME === undefined ? [] : [`${host.environment.HOME}/.local/share/vulkan/icd.d`];
  const shared = host.folders("XDG_DATA_DIRS").map((folder) => path.posix.join(folder, "vulkan/icd.d"));
  return [...new Set([...MANIFEST_FOLDERS, ...own, ...shared])].flatMap((folder) =>
    host
      .list(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => path.posix.join(folder, name)),
  );
}

function loaderCheck(host: Host): Check {
  const found = host.findLibrary(LOADER);
  const base = { name: "Vulkan loader", device: "webgpu" } as const;
  if (found !== null) return { ...base, status: "ok", found, remedy: null };
  const packages = {
    debian: "libvulkan1",
    fedora: "vulkan-loader",
    suse: "libvulkan1",
    arch: "vulkan-icd-loader",
  };
  const remedy = install(host, packages) ?? `install what brings ${LOADER}, the Vulkan loader`;
  return { ...base, status: "missing", found: `no ${LOADER} where libraries are looked for`, remedy };
}

/** The remedy without a GPU: a software Vulkan driver, for tests. */
const IN_SOFTWARE =
  "there is no GPU to drive; to try it in software: install chromium (Debian's brings SwiftShader) and set LD_LIBRARY_PATH=/usr/lib/chromium VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json";

function driverRemedy(host: Host): string {
  const vendors = host.gpuVendors();
  if (vendors.length === 0) return IN_SOFTWARE;
  if (vendors.includes("NVIDIA"))
    return "install NVIDIA's driver, which brings its Vulkan driver: see NVIDIA driver";
  const intel = vendors.includes("Intel");
  const packages = {
    debian: "mesa-vulkan-drivers",
    fedora: "mesa-vulkan-drivers",
    suse: intel ? "libvulkan_intel" : "libvulkan_radeon",
    arch: intel ? "vulkan-intel" : "vulkan-radeon",
  };
  return install(host, packages) ?? "install the GPU's Vulkan driver (Mesa for AMD and Intel)";
}

function driverCheck(host: Host): Check {
  const base = { name: "Vulkan drivers", device: "webgpu" } as const;
  const manifests = manifestsOf(host);
  const drivers = manifests.flatMap((manifest) => driverOf(host, manifest) ?? []);
  const whole = drivers.filter(({ there }) => there);
  if (whole.length > 0) {
    const names = whole.map(({ manifest }) => path.posix.basename(manifest)).join(", ");
    if (!whole.every(({ library }) => /lvp|lavapipe|swiftshader/.test(library))) {
      return { ...base, status: "ok", found: names, remedy: null };
    }
    const found = `${names}: in software only, for tests`;
    return {
      ...base,
      status: "warning",
      found,
      remedy: host.gpuVendors().length > 0 ? driverRemedy(host) : null,
    };
  }
  const broken = drivers.map(({ manifest, library }) => `${manifest} names ${library}, which is not there`);
  const found =
    broken.join("; ") ||
    `no manifest in ${manifests.length > 0 ? manifests.join(", ") : MANIFEST_FOLDERS.join(", ")}`;
  return { ...base, status: "missing", found, remedy: driverRemedy(host) };
}

/** Whether this user may open the GPU; null where there is no render node. */
function nodeCheck(host: Host): Check | null {
  const nodes = host.list("/dev/dri").filter((name) => name.startsWith("renderD"));
  const base = { name: "GPU nodes", device: "webgpu" } as const;
  if (nodes.length === 0) return null;
  const closed = nodes.filter((name) => {
    try {
      accessSync(host.place(`/dev/dri/${name}`), constants.R_OK | constants.W_OK);
      return false;
    } catch {
      return true;
    }
  });
  const found = nodes.map((name) => `/dev/dri/${name}`).join(", ");
  if (closed.length < nodes.length) return { ...base, status: "ok", found, remedy: null };
  return {
    ...base,
    status: "missing",
    found: `${found}: this user may not open them`,
    remedy:
      "as root: usermod -aG render,video USER, then log in again (in a container: --device /dev/dri --group-add render)",
  };
}

/** macOS and Windows come with what WebGPU runs on. */
export function vulkanChecks(host: Host): Check[] {
  if (host.platform !== "linux") {
    const found = host.platform === "darwin" ? "Metal is part of macOS" : "Direct3D 12 is part of Windows";
    return [{ name: "graphics", device: "webgpu", status: "ok", found, remedy: null }];
  }
  if (host.architecture !== "x64") {
    const found = "onnxruntime-node brings WebGPU for Linux on x64 only";
    return [{ name: "WebGPU", device: "webgpu", status: "missing", found, remedy: null }];
  }
  return [loaderCheck(host), driverCheck(host), ...[nodeCheck(host)].filter((check) => check !== null)];
}
