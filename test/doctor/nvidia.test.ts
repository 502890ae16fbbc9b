import assert from "node:assert/strict";
import { test } from "node:test";
import { nvidiaChecks } from "../../src/doctor/nvidia.ts";
import { ARCH, DEBIAN, gpu, madeUpHost, ROCKY } from "./support/made-up-host.ts";

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
const CUDA = Object.fromEntries(
  [
    "libcudart.so.12",
    "libcublas.so.12",
    "libcublasLt.so.12",
    "libcufft.so.11",
    "libcurand.so.10",
    "libcudnn.so.9",
  ].map((name) => [`/usr/local/cuda/lib64/${name}`, ""]),
);
const NVIDIA = gpu("0x10de");

function found(t: { after(f: () => void): void }, files: Record<string, string>) {
  const host = madeUpHost(t, files);
  return Object.fromEntries(nvidiaChecks(host, host.place("/ort")).map((check) => [check.name, check]));
}

test("a machine that has all is well", (t) => {
  const checks = found(t, { ...NVIDIA, ...driver("550.54.14"), ...PROVIDERS, ...CUDA });
  assert.deepEqual(
    Object.values(checks).map(({ status }) => status),
    ["ok", "ok", "ok"],
  );
  assert.equal(checks["NVIDIA driver"]?.found, "version 550.54.14, 1 GPU");
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
  assert.equal(old?.found, "version 470.256.02; CUDA 12 needs 525.60.13");
  assert.match(old?.remedy ?? "", /^as root: dnf install akmod-nvidia/);
  for (const [version, status] of [
    ["525.60.13", "ok"],
    ["525.60.2", "missing"],
    ["525.60", "missing"],
    ["525.105.17", "ok"],
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
  const checks = found(t, { ...NVIDIA, ...driver("550.54.14"), ...half, ...CUDA });
  const provider = checks["ONNX Runtime's CUDA provider"];
  assert.match(provider?.found ?? "", /^no libonnxruntime_providers_cuda\.so in .*ort$/);
  assert.match(provider?.remedy ?? "", /^ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node/);
});

test("exactly the CUDA libraries that are missing are named, with packages or wheels that bring them", (t) => {
  const { "/usr/local/cuda/lib64/libcudnn.so.9": _, ...rest } = CUDA;
  const base = { ...NVIDIA, ...driver("550.54.14"), ...PROVIDERS, ...rest };
  const libraries = (release: string) =>
    found(t, { ...base, "/etc/os-release": release })["CUDA 12 and cuDNN 9"];
  assert.equal(libraries(DEBIAN)?.found, "no libcudnn.so.9 where libraries are looked for");
  assert.match(
    libraries(DEBIAN)?.remedy ?? "",
    /^as root: apt-get install cuda-libraries-12-8 libcudnn9-cuda-12/,
  );
  assert.match(
    libraries(ARCH)?.remedy ?? "",
    /^python3 -m pip install --target cuda nvidia-cudnn-cu12, and LD_/,
  );
});

test("where the package has no CUDA provider, that is all there is to say", (t) => {
  for (const [platform, architecture] of [
    ["darwin", "arm64"],
    ["linux", "arm64"],
  ] as const) {
    const checks = nvidiaChecks(madeUpHost(t, NVIDIA, { platform, architecture }), "/ort");
    assert.deepEqual(
      checks.map(({ name, status }) => [name, status]),
      [["CUDA", "missing"]],
    );
  }
});
