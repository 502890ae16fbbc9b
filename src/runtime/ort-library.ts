// ONNX Runtime's shared library, called through its C API: where the library lies, the functions that are called, and a
// failed call as an error. Only this room knows ONNX Runtime.

import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import koffi, { type KoffiFunc, type LibraryHandle } from "koffi";
import { MagdiError } from "../base/errors.ts";

/** A native address; 0n is null. */
export type Pointer = bigint;

/** Releases that all tests were run against, the newest last: for information, later ones are loaded too. */
export const TESTED_VERSIONS: readonly string[] = ["1.30.0"];

/** The C API version that is asked for: release 1.N has versions 1 to N, and each only adds functions at the end of the
 * table. The functions below are all in version 12, but earlier releases compute our graphs wrongly: 1.23.2 attends
 * beyond sliding windows, in 1.20.1 a row's logits depend on its batch. */
const API_VERSION = 24;

/** ORTCHAR_T: paths are UTF-16 on Windows. */
const PATH = process.platform === "win32" ? "const char16_t *" : "const char *";

/** Indexes in `struct OrtApi` (onnxruntime_c_api.h), with the parameters; each returns a status. */
const API = {
  CreateEnv: [3, "int level, const char *logid, _Out_ void **out"],
  CreateSession: [7, `void *env, ${PATH}path, void *options, _Out_ void **out`],
  CreateSessionFromArray: [8, "void *env, const void *bytes, size_t length, void *options, _Out_ void **out"],
  Run: [
    9,
    "void *session, void *options, const void *inputNames, const void *inputs, size_t inputCount, const void *outputNames, size_t outputCount, void *outputs",
  ],
  CreateSessionOptions: [10, "_Out_ void **out"],
  DisableMemPattern: [17, "void *options"],
  SetSessionLogId: [20, "void *options, const char *logid"],
  SetSessionGraphOptimizationLevel: [23, "void *options, int level"],
  SetIntraOpNumThreads: [24, "void *options, int threads"],
  SessionGetInputCount: [30, "void *session, _Out_ size_t *out"],
  SessionGetOutputCount: [31, "void *session, _Out_ size_t *out"],
  SessionGetInputTypeInfo: [33, "void *session, size_t index, _Out_ void **out"],
  SessionGetInputName: [36, "void *session, size_t index, void *allocator, _Out_ void **out"],
  SessionGetOutputName: [37, "void *session, size_t index, void *allocator, _Out_ void **out"],
  CreateTensorAsOrtValue: [
    48,
    "void *allocator, const int64_t *shape, size_t rank, int type, _Out_ void **out",
  ],
  CreateTensorWithDataAsOrtValue: [
    49,
    "void *memoryInfo, void *data, size_t sizeBytes, const int64_t *shape, size_t rank, int type, _Out_ void **out",
  ],
  GetTensorMutableData: [51, "void *value, _Out_ void **out"],
  CastTypeInfoToTensorInfo: [55, "void *typeInfo, _Out_ void **out"],
  GetTensorElementType: [60, "void *tensorInfo, _Out_ int *out"],
  CreateMemoryInfo: [68, "const char *name, int allocatorType, int deviceId, int memType, _Out_ void **out"],
  CreateCpuMemoryInfo: [69, "int allocatorType, int memType, _Out_ void **out"],
  AllocatorFree: [76, "void *allocator, void *pointer"],
  GetAllocatorWithDefaultOptions: [78, "_Out_ void **out"],
  AddSessionConfigEntry: [130, "void *options, const char *key, const char *value"],
  CreateAllocator: [131, "void *session, void *memoryInfo, _Out_ void **out"],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, "void *options, void *cudaOptions"],
  CreateCUDAProviderOptions: [205, "_Out_ void **out"],
  UpdateCUDAProviderOptions: [206, "void *cudaOptions, const void *keys, const void *values, size_t count"],
  SessionOptionsAppendExecutionProvider: [
    216,
    "void *options, const char *provider, const void *keys, const void *values, size_t count",
  ],
  RegisterCustomOpsLibrary_V2: [228, `void *options, ${PATH}path`],
} as const satisfies Record<string, readonly [number, string]>;

const RELEASE = {
  ReleaseStatus: 93,
  ReleaseMemoryInfo: 94,
  ReleaseSession: 95,
  ReleaseValue: 96,
  ReleaseTypeInfo: 98,
  ReleaseSessionOptions: 100,
  ReleaseAllocator: 132,
  ReleaseCUDAProviderOptions: 208,
} as const;

type ApiName = keyof typeof API;
type ReleaseName = keyof typeof RELEASE;
const TABLE_LENGTH = 1 + Math.max(...Object.values(API).map(([index]) => index), ...Object.values(RELEASE));

// Drivers compile shaders and device code on the calling thread's stack, 128 KiB by default. koffi takes this setting
// only before the first library is loaded.
koffi.config({ async_stack_size: 4 * 1024 * 1024 });

const LIBRARY_NAME = /^(libonnxruntime\.so(\.\d+)*|libonnxruntime(\.\d+)*\.dylib|onnxruntime\.dll)$/;

/** The library in a folder of the package onnxruntime-node, by default the one installed here. Its execution providers
 * lie beside it.
 * @throws MAGDI_RUNTIME when the package has none for the platform. */
export function libraryPath(
  packageFolder = path.dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json")),
  platform: string = process.platform,
  architecture: string = process.arch,
): string {
  const bin = path.join(packageFolder, "bin");
  const files = existsSync(bin) ? readdirSync(bin, { recursive: true, encoding: "utf8" }) : [];
  const [found] = files
    .filter((file) => path.dirname(file).endsWith(path.join(path.sep, platform, architecture)))
    .filter((file) => LIBRARY_NAME.test(path.basename(file)))
    .sort((a, b) => a.length - b.length);
  if (found !== undefined) return path.join(bin, found);
  throw new MagdiError(
    "MAGDI_RUNTIME",
    `onnxruntime-node ships no library for ${platform}/${architecture}: expected one in ${bin}`,
  );
}

export class OrtLibrary {
  static #shared: OrtLibrary | null = null;
  readonly version: string;
  /** Kept referenced: koffi unloads a library without references, and our function pointers would dangle. */
  readonly #library: LibraryHandle;
  readonly #functions = new Map<ApiName, KoffiFunc<(...args: unknown[]) => Pointer | null>>();
  readonly #releases = new Map<ReleaseName, (handle: Pointer) => void>();
  readonly #errorMessage: (status: Pointer) => string;
  readonly env: Pointer;
  readonly cpuMemoryInfo: Pointer;
  readonly #allocator: Pointer;

  /** The library of the package, loaded once a process. @throws MAGDI_RUNTIME as the constructor and libraryPath. */
  static load(): OrtLibrary {
    OrtLibrary.#shared ??= new OrtLibrary(libraryPath());
    return OrtLibrary.#shared;
  }

  /** @throws MAGDI_RUNTIME when the library is too old to have the C API's version that is asked for. */
  constructor(file: string) {
    this.#library = koffi.load(file);
    const base = this.#library.func("OrtGetApiBase", "void *", [])();
    const [getApi, getVersion] = koffi.decode(base, koffi.array("void *", 2));
    this.version = koffi.call(getVersion, koffi.proto("const char *()"));
    const api: Pointer | null = koffi.call(getApi, koffi.proto("void *(uint32_t)"), API_VERSION);
    if (!api) {
      throw new MagdiError(
        "MAGDI_RUNTIME",
        `expected ONNX Runtime 1.${API_VERSION} or later, found ${this.version} (${file}); run npm install onnxruntime-node@${TESTED_VERSIONS.at(-1)}`,
      );
    }
    const table: Pointer[] = koffi.decode(api, koffi.array("void *", TABLE_LENGTH));
    for (const [name, [index, parameters]] of Object.entries(API)) {
      // Object.entries widens the key; the table is this same constant.
      this.#functions.set(name as ApiName, koffi.decode(table[index], koffi.proto(`void *(${parameters})`)));
    }
    for (const [name, index] of Object.entries(RELEASE)) {
      this.#releases.set(name as ReleaseName, koffi.decode(table[index], koffi.proto("void (void *)")));
    }
    this.#errorMessage = koffi.decode(table[2], koffi.proto("const char *(void *)"));
    // Fatal messages only: what a failed call would log is in its status too, which becomes our error.
    const logFatal = 4;
    this.env = this.create("CreateEnv", logFatal, "magdi");
    const arenaAllocator = 1;
    this.cpuMemoryInfo = this.create("CreateCpuMemoryInfo", arenaAllocator, 0);
    this.#allocator = this.create("GetAllocatorWithDefaultOptions");
  }

  #function(name: ApiName): KoffiFunc<(...args: unknown[]) => Pointer | null> {
    const found = this.#functions.get(name);
    if (found === undefined) throw new MagdiError("MAGDI_RUNTIME", `${name} is not in the function table`);
    return found;
  }

  /** Calls a function that returns a status; a failed one is released and thrown as MAGDI_RUNTIME. */
  call(name: ApiName, ...args: unknown[]): void {
    this.#check(name, this.#function(name)(...args));
  }

  /** Calls a function whose last parameter is an out parameter, and returns what that received. */
  create(name: ApiName, ...args: unknown[]): Pointer {
    const out: (Pointer | null)[] = [null];
    this.call(name, ...args, out);
    return BigInt(out[0] ?? 0);
  }

  /** Like call, on a thread of libuv's pool. The arguments stay reachable until the promise settles; the caller keeps
   * reachable what they refer to by address. */
  callAsync(name: ApiName, ...args: unknown[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#function(name).async(...args, (error: unknown, status: Pointer | null) => {
        args.length = 0; // a use of args, which keeps them reachable until the call has returned
        try {
          if (error) throw error;
          this.#check(name, status);
          resolve();
        } catch (failure) {
          reject(failure);
        }
      });
    });
  }

  release(name: ReleaseName, handle: Pointer): void {
    this.#releases.get(name)?.(handle);
  }

  /** Decodes and frees a string that the library allocated. */
  takeString(pointer: Pointer): string {
    const text = koffi.decode.string(pointer);
    this.call("AllocatorFree", this.#allocator, pointer);
    return text;
  }

  get allocator(): Pointer {
    return this.#allocator;
  }

  #check(name: string, status: Pointer | null): void {
    if (status === null || status === 0n) return;
    const message = this.#errorMessage(status);
    this.release("ReleaseStatus", status);
    throw new MagdiError("MAGDI_RUNTIME", `${name}: ${message}`);
  }
}

/** The address of the memory behind a typed array. Small arrays can live in V8's moving heap, so the array must
 * have been made over an explicit ArrayBuffer. */
export function addressOf(array: ArrayBufferView): Pointer {
  return koffi.address(array);
}

/** Names as C strings and the array of their addresses, kept alive together. */
export class NativeNames {
  readonly count: number;
  readonly addresses: BigUint64Array;
  readonly #strings: Uint8Array[] = [];

  constructor(names: readonly string[]) {
    this.count = names.length;
    this.addresses = new BigUint64Array(new ArrayBuffer(Math.max(names.length, 1) * 8));
    names.forEach((name, index) => {
      const encoded = new TextEncoder().encode(name);
      const string = new Uint8Array(new ArrayBuffer(encoded.length + 1));
      string.set(encoded);
      this.#strings.push(string);
      this.addresses[index] = addressOf(string);
    });
  }
}
