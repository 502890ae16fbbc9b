// What every device needs, on machines made of files.

import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { instructionCheck, quotaCheck } from "../../src/doctor/processor.ts";
import { kernelCheck, nodeCheck, runtimeCheck } from "../../src/doctor/programs.ts";
import { descriptorCheck, diskCheck, memoryCheck } from "../../src/doctor/resources.ts";
import { madeUpHost } from "./support/made-up-host.ts";

test("Node is old, or new enough", () => {
  const status = (version: string) => nodeCheck(version).status;
  assert.deepEqual(["v20.19.0", "v22.1.0", "v24.0.0"].map(status), ["ok", "ok", "ok"]);
  assert.deepEqual(["v20.18.3", "v18.20.0"].map(status), ["missing", "missing"]);
  assert.match(nodeCheck("v18.20.0").found, /v18\.20\.0; 20\.19 or later is needed/);
});

test("a library that cannot be loaded says why, and what to do", () => {
  assert.match(runtimeCheck().found, /^1\.\d+\.\d+, loaded$/);
  const failing = (message: string) =>
    runtimeCheck(() => {
      throw new Error(message);
    });
  const musl = failing("Error loading shared library ld-linux-x86-64.so.2: No such file or directory");
  assert.equal(musl.status, "missing");
  assert.match(musl.remedy ?? "", /glibc/);
  assert.match(failing("onnxruntime-node ships no library for aix/ppc64").remedy ?? "", /npm ci/);
});

test("our own operators compute, or it is said why ONNX Runtime's do", () => {
  assert.match(kernelCheck().found, /^[a-z0-9]+$/);
  const stock = kernelCheck(() => ({
    kind: "stock",
    reason: "there is no linux-riscv64/libmagdi-kernels.so",
  }));
  assert.equal(stock.status, "warning");
  assert.match(
    stock.found,
    /^stock \(there is no linux-riscv64\/libmagdi-kernels\.so\): ONNX Runtime's operators/,
  );
  const unknown = kernelCheck(() => {
    throw new Error("MAGDI_KERNELS: no such instruction set");
  });
  assert.deepEqual([unknown.status, unknown.remedy], ["missing", "unset MAGDI_KERNELS"]);
});

test("instructions that matter are told, and a processor without AVX2 is warned of", (t) => {
  const check = (flags: string, architecture = "x64") => {
    const key = architecture === "arm64" ? "Features" : "flags";
    const files = { "/proc/cpuinfo": `processor\t: 0\nmodel name\t: A Chip\n${key}\t\t: fpu ${flags} x` };
    return instructionCheck(madeUpHost(t, files, { architecture }));
  };
  const full = check("avx2 avx512f avx512_vnni avx_vnni amx_int8");
  assert.equal(full.found, "A Chip: AVX2, AVX-VNNI, AVX-512, AVX-512 VNNI, AMX");
  const plain = check("avx2");
  assert.deepEqual([plain.status, plain.found.includes("without AVX-VNNI, AVX-512")], ["ok", true]);
  assert.equal(check("sse4_2 avx").status, "warning");
  assert.equal(check("asimddp i8mm", "arm64").found, "A Chip: dot products, int8 matrices; without float16");
  assert.equal(check("asimd", "arm64").status, "warning");
  assert.equal(instructionCheck(madeUpHost(t, {}, { platform: "darwin" })).status, "note");
});

test("a container's quota of processors is told of", (t) => {
  const quota = (text: string) =>
    quotaCheck(madeUpHost(t, { "/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": text }), 8);
  assert.equal(quota("max 100000").found, "8 to use");
  assert.equal(quota("200000 100000").found, "2 to use, of 8: a container's quota bounds them");
  assert.equal(quota("100000 100000").status, "warning");
});

const MIB = 2 ** 20;
const NEEDS = { name: "tiny", dtype: "q4", weightBytes: 300 * MIB, cacheBytes: 1000 * MIB };
const meminfo = (mebibytes: number) => ({
  "/proc/meminfo": `MemTotal: 99999999 kB\nMemAvailable:   ${mebibytes * 1024} kB`,
});

test("memory is enough, enough while rows are short, or too little", (t) => {
  const check = (mebibytes: number) => memoryCheck(madeUpHost(t, meminfo(mebibytes)), NEEDS);
  assert.equal(check(2000).status, "ok");
  assert.match(check(2000).found, /^2000 MiB available; tiny in q4 takes 491 MiB, and 1491 MiB when/);
  assert.equal(check(1000).status, "warning");
  assert.match(check(1000).remedy ?? "", /--context-length or --batch-rows/);
  assert.equal(check(400).status, "missing");
});

test("a container's limit of memory counts, in both versions of control groups, and those above too", (t) => {
  const check = (files: Record<string, string>) =>
    memoryCheck(madeUpHost(t, { ...meminfo(9000), ...files }), NEEDS).found.split(" ")[0];
  const second = {
    "/proc/self/cgroup": "0::/a/b",
    "/sys/fs/cgroup/a/b/memory.max": "max",
    "/sys/fs/cgroup/a/b/memory.current": String(5 * MIB),
    "/sys/fs/cgroup/a/memory.max": String(512 * MIB),
    "/sys/fs/cgroup/a/memory.current": String(12 * MIB),
  };
  assert.equal(check(second), "500");
  const first = {
    "/proc/self/cgroup": "3:cpu:/x\n2:memory:/x",
    "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": String(700 * MIB),
    "/sys/fs/cgroup/memory/x/memory.usage_in_bytes": String(100 * MIB),
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
  };
  assert.equal(check(first), "600");
  assert.equal(check({ "/proc/self/cgroup": "0::/" }), "9000");
});

test("few file descriptors are warned of, with the way to more", (t) => {
  const check = (soft: string) =>
    descriptorCheck(
      madeUpHost(t, {
        "/proc/self/limits": `Limit                     Soft Limit           Hard Limit           Units\nMax open files            ${soft}                 1048576              files`,
      }),
    );
  assert.equal(check("1024").status, "ok");
  assert.equal(check("unlimited").status, "ok");
  assert.deepEqual(
    [check("256").status, check("256").found],
    ["warning", "at most 256, which may be raised to 1048576"],
  );
  assert.match(check("256").remedy ?? "", /ulimit -n 4096/);
  assert.equal(descriptorCheck(madeUpHost(t, {})).status, "note");
});

test("a disk is looked at where it is, and one that is not there is no failure", () => {
  assert.match(diskCheck(tmpdir()).found, /^\d+ MiB free in /);
  assert.equal(diskCheck("/nowhere/at/all").status, "note");
});
