// The execution providers of ONNX Runtime by device: how session options get one, and with which settings. It
// opens no session.

import { existsSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import type { Device } from "./device-name.ts";
import { libraryPath, NativeNames, OrtLibrary, type Pointer } from "./ort-library.ts";

const WEBGPU_OPTIONS = {
  "ep.webgpuexecutionprovider.powerPreference": "high-performance",
  // Token ids and positions are int64: without their kernels each would be computed on the processor.
  "ep.webgpuexecutionprovider.enableInt64": "1",
};

/** As documented for onnxruntime_c_api.h's UpdateCUDAProviderOptions. */
const CUDA_OPTIONS = {
  device_id: "0",
  // Exactly what is asked for: doubling would take a cache's memory twice.
  arena_extend_strategy: "kSameAsRequested",
  do_copy_in_default_stream: "1",
  // Flash and memory-efficient attention, and the plain one. cuDNN's, which is taken where it happens to be installed,
  // would give other last bits there.
  sdpa_kernel: String(1 + 2 + 16),
  // Products in float32 are in float32: who wants tensor cores takes float16.
  use_tf32: "0",
};

/** The libraries that the CUDA provider lies in, which are too large for the package. */
const CUDA_LIBRARIES =
  process.platform === "win32"
    ? ["onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"]
    : ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/** Adds the device's provider to session options, before the processor's own, which runs whatever has no kernel there.
 * @throws MAGDI_UNSUPPORTED saying why the device cannot be used. */
export async function addProvider(
  settings: Pointer,
  device: Device,
  memoryLimitBytes?: number,
): Promise<void> {
  if (device === "cpu") return;
  const library = OrtLibrary.load();
  try {
    if (device === "webgpu") {
      const [keys, values] = textPairs(WEBGPU_OPTIONS);
      await library.callAsync(
        "SessionOptionsAppendExecutionProvider",
        settings,
        "WebGPU",
        keys.addresses,
        values.addresses,
        keys.count,
      );
    } else await addCuda(library, settings, memoryLimitBytes);
  } catch (cause) {
    throw new MagdiError("MAGDI_UNSUPPORTED", `device ${device}: ${reasonOf(cause)}`, { cause });
  }
}

async function addCuda(library: OrtLibrary, settings: Pointer, memoryLimitBytes?: number): Promise<void> {
  const folder = path.dirname(libraryPath());
  const missing = CUDA_LIBRARIES.filter((name) => !existsSync(path.join(folder, name)));
  if (missing.length > 0) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `expected ${missing.join(" and ")} in ${folder}, found none; magdi doctor --device cuda names the command that brings them`,
    );
  }
  const options = library.create("CreateCUDAProviderOptions");
  try {
    const limit = memoryLimitBytes === undefined ? {} : { gpu_mem_limit: String(memoryLimitBytes) };
    const [keys, values] = textPairs({ ...CUDA_OPTIONS, ...limit });
    library.call("UpdateCUDAProviderOptions", options, keys.addresses, values.addresses, keys.count);
    await library.callAsync("SessionOptionsAppendExecutionProvider_CUDA_V2", settings, options);
  } finally {
    library.release("ReleaseCUDAProviderOptions", options);
  }
}

function textPairs(options: Readonly<Record<string, string>>): readonly [NativeNames, NativeNames] {
  return [new NativeNames(Object.keys(options)), new NativeNames(Object.values(options))];
}

/** The library's messages begin with a place in its sources and the condition that did not hold there. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replace(/^\w+: /, "")
    .replace(/^\S*onnxruntime_src\S* .*?(?: was false\. |\[ONNXRuntimeError\] : \d+ : \w+ : )/s, "")
    .trim();
}
