// ONNX Runtime's CUDA provider on a machine without a GPU: a checkout whose ONNX Runtime has it, and libraries of CUDA
// that hold memory and copies but compute nothing.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SOURCES = path.join(ROOT, "test/support/cuda-without-device");
/** Where deploy/image/cuda-provider.sh left the provider. */
export const CUDA_PROVIDER = process.env.MAGDI_CUDA_PROVIDER ?? path.join(ROOT, ".cache/cuda-provider");
const RUNTIME = "onnxruntime-node/bin/napi-v6/linux/x64";

/** For a test's options: why the provider cannot be tested here, or false. */
export const NO_CUDA_PROVIDER = ((): string | false => {
  if (process.platform !== "linux" || process.arch !== "x64") return "CUDA's provider is Linux's on x64";
  if (!existsSync(path.join(CUDA_PROVIDER, "libonnxruntime_providers_cuda.so")))
    return "no CUDA provider here: deploy/image/cuda-provider.sh .cache/cuda-provider downloads it";
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    return "no C compiler here: install gcc";
  }
})();

function compile(folder: string, library: string, source: string, options: readonly string[] = []): void {
  const named = [`-Wl,-soname,${library}`, "-o", path.join(folder, library), source];
  execFileSync("cc", ["-shared", "-fPIC", "-O1", "-w", ...options, ...named]);
}

/** Compiles the libraries that the provider is linked to, and cuDNN, into `folder`. */
export function compileCudaLibraries(folder: string): void {
  const version = (map: string) => [`-Wl,--version-script=${map}`];
  const [runtime, map] = [path.join(SOURCES, "cuda.c"), path.join(SOURCES, "cuda.map")];
  compile(folder, "libcudart.so.13", runtime, version(map));
  compile(folder, "libcudnn.so.9", path.join(SOURCES, "cudnn.c"));
  // All that is called is in the first; these only have to be there, of the version that is asked for.
  const [empty, own] = [path.join(folder, "empty.c"), path.join(folder, "empty.map")];
  for (const name of ["libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10", "libcuda.so.1"]) {
    writeFileSync(empty, "int nothing(void) { return 0; }\n");
    writeFileSync(own, `${name} { global: nothing; };\n`);
    compile(folder, name, empty, version(own));
  }
}

export interface CudaCheckout {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** A copy of the sources in `folder`, in which the device cuda opens sessions. */
export function cudaCheckout(folder: string): CudaCheckout {
  const packages = path.join(folder, "node_modules");
  const runtime = path.join(packages, RUNTIME);
  const libraries = path.join(folder, "cuda");
  for (const made of [libraries, runtime, path.join(folder, "test")]) mkdirSync(made, { recursive: true });
  compileCudaLibraries(libraries);
  for (const name of ["src", "test/support"]) {
    cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  }
  for (const name of ["package.json", "tsconfig.json", "test/fixtures"]) {
    symlinkSync(path.join(ROOT, name), path.join(folder, name));
  }
  for (const name of readdirSync(path.join(ROOT, "node_modules"))) {
    if (name !== "onnxruntime-node")
      symlinkSync(path.join(ROOT, "node_modules", name), path.join(packages, name));
  }
  cpSync(
    path.join(ROOT, "node_modules/onnxruntime-node/package.json"),
    path.join(packages, "onnxruntime-node/package.json"),
  );
  for (const [from, name] of [
    [path.join(ROOT, "node_modules", RUNTIME), "libonnxruntime.so.1"],
    [CUDA_PROVIDER, "libonnxruntime_providers_shared.so"],
    [CUDA_PROVIDER, "libonnxruntime_providers_cuda.so"],
  ] as const) {
    // Providers are looked for beside the library, by the name that it was opened by.
    symlinkSync(path.join(from, name), path.join(runtime, name));
  }
  return { folder, environment: { LD_LIBRARY_PATH: libraries } };
}
