// ONNX Runtime's execution provider for each device: added to session options, with its settings.

import { existsSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import type { Device } from "./device-name.ts";
import { libraryPath, NativeNames, OrtLibrary, type Pointer } from "./ort-library.ts";

const WEBGPU_OPTIONS = {
  "ep.webgpuexecutionprovider.powerPreference": "high-performance",
  // Token ids and positions are int64: without int64 kernels their operators would run on the CPU.
  "ep.webgpuexecutionprovider.enableInt64": "1",
};

/** As documented for onnxruntime_c_api.h's UpdateCUDAProviderOptions. */
const CUDA_OPTIONS = {
  device_id: "0",
  // The default grows by powers of two, which could take twice the memory of a cache.
  arena_extend_strategy: "kSameAsRequested",
  do_copy_in_default_stream: "1",
  // Flash, memory-efficient and unfused attention. Not cuDNN's: it would be used only where cuDNN happens to be
  // installed, and rounds differently.
  sdpa_kernel: String(1 + 2 + 16),
  // Matrix products in float32 stay exact: tensor cores are for the float16 dtypes.
  use_tf32: "0",
};

/** The CUDA provider's libraries, which the npm package does not contain. */
const CUDA_LIBRARIES =
  process.platform === "win32"
    ? ["onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"]
    : ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/** Adds the device's provider to session options; operators that have no kernel in it run on the CPU.
 * @throws MAGDI_UNSUPPORTED with the reason why the device cannot be used. */
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
      `expected ${missing.join(" and ")} in ${folder}, found none; magdi doctor --device cuda prints the command that installs them`,
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

/** The message without the source location and the failed condition that ONNX Runtime puts in front. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replace(/^\w+: /, "")
    .replace(/^\S*onnxruntime_src\S* .*?(?: was false\. |\[ONNXRuntimeError\] : \d+ : \w+ : )/s, "")
    .trim();
}
