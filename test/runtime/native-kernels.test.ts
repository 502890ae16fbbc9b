// Where our operators' library lies, what it is loaded as, and what stands in for it.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { describeKernels, kernelLibraryPath, openKernels } from "../../src/runtime/native-kernels.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

/** MAGDI_KERNELS while `run` runs. */
function chosen<T>(choice: string | undefined, run: () => T): T {
  const before = process.env.MAGDI_KERNELS;
  const set = (value: string | undefined): void => {
    if (value === undefined) delete process.env.MAGDI_KERNELS;
    else process.env.MAGDI_KERNELS = value;
  };
  set(choice);
  try {
    return run();
  } finally {
    set(before);
  }
}

test("each platform has its file's name", () => {
  const name = (platform: NodeJS.Platform, architecture: string) =>
    path.relative(path.dirname(path.dirname(kernelLibraryPath())), kernelLibraryPath(platform, architecture));
  assert.equal(name("linux", "arm64"), path.join("linux-arm64", "libmagdi-kernels.so"));
  assert.equal(name("darwin", "arm64"), path.join("darwin-arm64", "libmagdi-kernels.dylib"));
  assert.equal(name("win32", "x64"), path.join("win32-x64", "magdi-kernels.dll"));
});

test("the library says which instruction set it computes with, and plain C is there everywhere", () => {
  const own = chosen(undefined, () => openKernels());
  assert.ok(own.kind === "native", describeKernels(own));
  assert.ok(["avx512vnni", "avxvnni", "avx2", "neon", "plain"].includes(own.instructionSet));
  assert.equal(describeKernels(chosen("plain", () => openKernels())), "plain");
});

test("where no library loads, the reason is told", () => {
  assert.equal(describeKernels(chosen("stock", () => openKernels())), "stock (MAGDI_KERNELS=stock)");
  const missing = kernelLibraryPath("linux", "riscv64");
  assert.equal(
    describeKernels(chosen(undefined, () => openKernels(missing))),
    `stock (there is no ${path.join("linux-riscv64", "libmagdi-kernels.so")})`,
  );
  const broken = path.join(folder, "libmagdi-kernels.so");
  writeFileSync(broken, "not a library");
  assert.match(
    describeKernels(chosen(undefined, () => openKernels(broken))),
    /^stock \(libmagdi-kernels\.so does not load: /,
  );
});

test("an instruction set that the processor lacks is refused", () => {
  for (const choice of ["avx1024", process.arch === "x64" ? "neon" : "avx2"]) {
    assert.throws(
      () => chosen(choice, () => openKernels()),
      (error) => error instanceof MagdiError && /MAGDI_KERNELS: expected/.test(error.message),
    );
  }
});
