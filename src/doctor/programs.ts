// What all of magdi runs on: Node.js, ONNX Runtime's library, and our own operators'.

import { describeKernels, type Kernels, openKernels } from "../runtime/native-kernels.ts";
import { OrtLibrary, TESTED_VERSIONS } from "../runtime/ort-library.ts";
import type { Check } from "./check.ts";

const LEAST_NODE = [20, 19] as const;

/** `version` as in process.version. */
export function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.replace("v", "").split(".").map(Number);
  const [leastMajor, leastMinor] = LEAST_NODE;
  const enough = major > leastMajor || (major === leastMajor && minor >= leastMinor);
  return {
    name: "Node",
    device: null,
    status: enough ? "ok" : "missing",
    found: enough ? version : `${version}; ${LEAST_NODE.join(".")} or later is needed`,
    remedy: enough ? null : "install a newer one, from https://nodejs.org or with: nvm install --lts",
  };
}

/** Loads the library as sessions do. */
export function runtimeCheck(load: () => { readonly version: string } = () => OrtLibrary.load()): Check {
  const base = { name: "ONNX Runtime", device: null } as const;
  try {
    const { version } = load();
    const found = `${version}, loaded`;
    if (TESTED_VERSIONS.includes(version)) return { ...base, status: "ok", found, remedy: null };
    return {
      ...base,
      status: "warning",
      found: `${found}; magdi was tested with ${TESTED_VERSIONS.join(", ")}`,
      remedy: `if it misbehaves: npm install onnxruntime-node@${TESTED_VERSIONS.at(-1)}`,
    };
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    const musl = /ld-linux|GLIBC|musl/.test(found);
    const remedy = musl
      ? "it is built for glibc: take a distribution or an image that has it (Debian's, not Alpine's)"
      : "install again with a Node.js built for this machine's architecture: npm ci in a checkout, else npm install magdi";
    return { ...base, status: "missing", found, remedy };
  }
}

/** Which operators compute students on the CPU. */
export function kernelCheck(open: () => Kernels = openKernels): Check {
  const base = { name: "own operators", device: "cpu" } as const;
  try {
    const kernels = open();
    const found = describeKernels(kernels);
    if (kernels.kind === "native") return { ...base, status: "ok", found, remedy: null };
    return {
      ...base,
      status: "warning",
      found: `${found}: ONNX Runtime's operators serve, at about half the speed`,
      remedy: null,
    };
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return { ...base, status: "missing", found, remedy: "unset MAGDI_KERNELS" };
  }
}
