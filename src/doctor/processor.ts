// The CPU: which instruction sets ONNX Runtime's kernels can use, and how many processors this process may use.

import { availableParallelism } from "node:os";
import { usableProcessors } from "../runtime/usable-processors.ts";
import type { Check } from "./check.ts";
import type { Host } from "./host.ts";

/** By architecture: the flag in /proc/cpuinfo and the usual name. The first is what all fast kernels need. */
const FEATURES: Readonly<Record<string, readonly (readonly [flag: string, name: string])[]>> = {
  x64: [
    ["avx2", "AVX2"],
    ["avx_vnni", "AVX-VNNI"],
    ["avx512f", "AVX-512"],
    ["avx512_vnni", "AVX-512 VNNI"],
    ["amx_int8", "AMX"],
  ],
  arm64: [
    ["asimddp", "dot products"],
    ["i8mm", "int8 matrices"],
    ["asimdhp", "float16"],
  ],
};

/** The processor's model and instruction sets. */
export function instructionCheck(host: Host): Check {
  const name = "processor";
  const text = host.read("/proc/cpuinfo");
  const known = FEATURES[host.architecture];
  if (text === null || known === undefined) {
    const found = `${host.platform} on ${host.architecture}; its instruction sets are unknown`;
    return { name, device: "cpu", status: "note", found, remedy: null };
  }
  const model = /^model name\s*:\s*(.*)$/m.exec(text)?.[1] ?? host.architecture;
  const flags = new Set((/^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1] ?? "").split(" "));
  const has = known.filter(([flag]) => flags.has(flag)).map(([, feature]) => feature);
  const lacks = known.filter(([flag]) => !flags.has(flag)).map(([, feature]) => feature);
  const found = `${model}: ${has.join(", ") || "none of the instructions that matter"}${
    lacks.length === 0 ? "" : `; without ${lacks.join(", ")}`
  }`;
  const [needed] = known;
  if (needed === undefined || flags.has(needed[0])) {
    return { name, device: "cpu", status: "ok", found, remedy: null };
  }
  const remedy = `${needed[1]} makes matrix products several times as fast: choose a machine or a virtual processor that has it`;
  return { name, device: "cpu", status: "warning", found, remedy };
}

/** How many threads are started. `parallelism`: the processors of the affinity mask. */
export function quotaCheck(host: Host, parallelism = availableParallelism()): Check {
  const usable = usableProcessors({
    parallelism,
    controlGroups: host.place("/sys/fs/cgroup"),
    membership: host.place("/proc/self/cgroup"),
  });
  const bounded = usable < parallelism;
  return {
    name: "processors",
    device: "cpu",
    status: usable === 1 ? "warning" : "ok",
    found: `${usable} to use${bounded ? `, of ${parallelism}: a container's quota bounds them` : ""}`,
    remedy: usable === 1 ? "decoding and requests share one; give it two, as with docker run --cpus 2" : null,
  };
}
