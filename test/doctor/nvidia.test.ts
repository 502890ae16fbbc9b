import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { nvidiaChecks } from "../../src/doctor/nvidia.ts";
import { ARCH, DEBIAN, gpu, madeUpHost, ROCKY } from "./support/made-up-host.ts";
import { sharedObject } from "./support/shared-object.ts";

const driver = (version: string) => ({
  "/proc/driver/nvidia/version": `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}  Thu Feb 22 01:44:30 UTC 2024\nGCC version:  gcc 12.2.0`,
  "/usr/lib/x86_64-linux-gnu/libcuda.so.1": "",
  "/dev/nvidia0": "",
  "/dev/nvidiactl": "",
});
const PROVIDERS = {
  "/ort/libonnxruntime_providers_cuda.so": "",
  "/ort/libonnxruntime_providers_shared.so": "",
};
const LINKED = ["libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10"];
const CUDA = Object.fromEntries(
  [...LINKED, "libcudnn.so.9"].map((name) => [`/usr/local/cuda/lib64/${name}`, ""]),
);
const NVIDIA = gpu("0x10de");

/** The checks by name, of a machine whose provider is linked to `needed`. */
function found(
  t: { after(f: () => void): void },
  files: Record<string, string>,
  needed: readonly string[] = LINKED,
) {
  const host = madeUpHost(t, files);
  const folder = host.place("/ort");
  if ("/ort/libonnxruntime_providers_cuda.so" in files) {
    writeFileSync(`${folder}/libonnxruntime_providers_cuda.so`, sharedObject([...needed, "libcuda.so.1"]));
  }
  const checks = nvidiaChecks(host, { folder, version: "1.30.0" });
  return Object.fromEntries(checks.map((check) => [check.name, check]));
}

test("a machine that has all is well", (t) => {
  const checks = found(t, { ...NVIDIA, ...driver("580.82.07"), ...PROVIDERS, ...CUDA });
  assert.deepEqual(
    Object.values(checks).map(({ status }) => status),
    ["ok", "ok", "ok", "ok"],
  );
  assert.equal(checks["NVIDIA driver"]?.found, "version 580.82.07, 1 GPU");
});

test("without an NVIDIA GPU there is nothing to install", (t) => {
  const { "NVIDIA GPU": none, ...others } = found(t, gpu("0x1002"));
  assert.equal(none?.found, "none on the PCI bus, but from AMD");
  assert.equal(none?.remedy, null);
  assert.deepEqual(others, {});
});

test("a GPU without a driver, or with an old one, is told how to get it", (t) => {
  const none = found(t, { ...NVIDIA, "/etc/os-release": DEBIAN })["NVIDIA driver"];
  assert.equal(none?.found, "no kernel module, no libcuda.so.1, no /dev/nvidia0");
  assert.match(none?.remedy ?? "", /^as root: apt-get install nvidia-driver/);
  const old = found(t, { ...NVIDIA, ...driver("470.256.02"), "/etc/os-release": ROCKY })["NVIDIA driver"];
  assert.equal(old?.found, "version 470.256.02; CUDA 13 needs 580.65.06");
  assert.match(old?.remedy ?? "", /^as root: dnf install akmod-nvidia/);
  for (const [version, status] of [
    ["580.65.06", "ok"],
    ["580.65.2", "missing"],
    ["580.65", "missing"],
    ["580.105.08", "ok"],
    ["1000.1", "ok"],
  ] as const) {
    assert.equal(found(t, { ...NVIDIA, ...driver(version) })["NVIDIA driver"]?.status, status, version);
  }
});

test("a container that was not given the GPU is told to be started with it", (t) => {
  const checks = found(t, { ...NVIDIA, "/.dockerenv": "", "/etc/os-release": DEBIAN });
  assert.match(checks["NVIDIA driver"]?.remedy ?? "", /--gpus all/);
});

test("missing provider libraries are named, with the command that downloads them", (t) => {
  const half = { "/ort/libonnxruntime_providers_shared.so": "" };
  const checks = found(t, { ...NVIDIA, ...driver("580.82.07"), ...half, ...CUDA });
  const provider = checks["ONNX Runtime's CUDA provider"];
  assert.match(provider?.found ?? "", /^no libonnxruntime_providers_cuda\.so in .*ort$/);
  assert.match(
    provider?.remedy ?? "",
    /^python3 -m pip install --no-deps --target cuda onnxruntime-gpu==1\.30\.0 && cp cuda\/onnxruntime\/capi\/\S+ \S+\/ort$/,
  );
});

test("exactly the CUDA libraries that are missing are named, with packages or wheels that bring them", (t) => {
  const { "/usr/local/cuda/lib64/libcublasLt.so.13": _, ...rest } = CUDA;
  const base = { ...NVIDIA, ...driver("580.82.07"), ...PROVIDERS, ...rest };
  const libraries = (release: string) => found(t, { ...base, "/etc/os-release": release })["CUDA 13"];
  assert.equal(libraries(DEBIAN)?.found, "no libcublasLt.so.13 where libraries are looked for");
  assert.match(libraries(DEBIAN)?.remedy ?? "", /^as root: apt-get install cuda-libraries-13-0, from/);
  assert.equal(
    libraries(ARCH)?.remedy,
    'python3 -m pip install --target cuda "nvidia-cublas==13.*", and LD_LIBRARY_PATH with cuda/nvidia/cu13/lib',
  );
});

test("a provider of another CUDA asks for what it is linked to", (t) => {
  const needed = ["libcublas.so.12", "libcudart.so.12", "libcudnn.so.9"];
  const checks = found(
    t,
    { ...NVIDIA, ...driver("550.54.14"), ...PROVIDERS, "/etc/os-release": ARCH },
    needed,
  );
  assert.equal(checks["NVIDIA driver"]?.status, "ok");
  assert.equal(
    checks["CUDA 12"]?.found,
    "no libcublas.so.12, no libcudart.so.12, no libcudnn.so.9 where libraries are looked for",
  );
  assert.equal(
    checks["CUDA 12"]?.remedy,
    "python3 -m pip install --target cuda nvidia-cublas-cu12 nvidia-cuda-runtime-cu12 nvidia-cudnn-cu12, and LD_LIBRARY_PATH with cuda/nvidia/*/lib",
  );
  assert.equal(checks["cuDNN 9"], undefined);
});

test("without a provider the libraries of the one that the remedy brings are asked for", (t) => {
  const checks = found(t, { ...NVIDIA, ...driver("580.82.07") });
  assert.equal(
    checks["CUDA 13"]?.found,
    `${LINKED.map((name) => `no ${name}`).join(", ")} where libraries are looked for`,
  );
});

test("cuDNN is training's alone", (t) => {
  const { "/usr/local/cuda/lib64/libcudnn.so.9": _, ...rest } = CUDA;
  const checks = found(t, {
    ...NVIDIA,
    ...driver("580.82.07"),
    ...PROVIDERS,
    ...rest,
    "/etc/os-release": ARCH,
  });
  assert.equal(checks["CUDA 13"]?.status, "ok");
  assert.equal(checks["cuDNN 9"]?.status, "note");
  assert.match(checks["cuDNN 9"]?.found ?? "", /training needs it, serving does not$/);
  assert.match(
    checks["cuDNN 9"]?.remedy ?? "",
    /^python3 -m pip install --target cuda nvidia-cudnn-cu13, and/,
  );
});

test("where the package has no CUDA provider, that is all there is to say", (t) => {
  for (const [platform, architecture] of [
    ["darwin", "arm64"],
    ["linux", "arm64"],
  ] as const) {
    const checks = nvidiaChecks(madeUpHost(t, NVIDIA, { platform, architecture }), {
      folder: "/ort",
      version: "1.30.0",
    });
    assert.deepEqual(
      checks.map(({ name, status }) => [name, status]),
      [["CUDA", "missing"]],
    );
  }
});
