// The kernels of each instruction set against plain C, and plain C against double precision, by a program in C under
// sanitizers; and the committed libraries against what the sources make.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  buildForArm64,
  buildWithSanitizers,
  NO_ARM64,
  NO_SANITIZERS,
  NO_ZIG,
  ROOT,
  run,
} from "../support/native-tools.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const lines = (text: string) => text.split("\n").filter((line) => line !== "");

const x64 = process.arch === "x64";
test("each instruction set has the bits of plain C and stays in its memory", {
  skip: NO_SANITIZERS,
}, async (t) => {
  const program = await buildWithSanitizers(folder);
  const here = lines((await run(program)).stdout);
  assert.ok(here.includes("plain"));
  for (const name of ["plain", ...(x64 ? ["avx2", "avxvnni", "avx512vnni"] : ["neon"])]) {
    const skip = here.includes(name) ? false : `this processor has no ${name}`;
    await t.test(name, { skip }, async () => {
      await run(program, [name]);
    });
  }
  await t.test("a name that no processor has is refused", async () => {
    await assert.rejects(run(program, ["abacus"]), /this processor has no abacus/);
  });
});

test("NEON has the bits of plain C, on an emulated processor", { skip: NO_ARM64 }, async () => {
  const program = await buildForArm64(folder);
  assert.deepEqual(lines((await run("qemu-aarch64", ["-cpu", "max", program])).stdout), ["neon", "plain"]);
  for (const name of ["plain", "neon"]) await run("qemu-aarch64", ["-cpu", "max", program, name]);
  // Cortex-A72 has no dot products.
  assert.deepEqual(lines((await run("qemu-aarch64", ["-cpu", "cortex-a72", program])).stdout), ["plain"]);
});

test("the committed libraries are what the sources make", { skip: NO_ZIG }, async (t) => {
  const committed = path.join(ROOT, "native/bin");
  await run("node", ["scripts/native.js", "--out", path.join(folder, "bin")], { cwd: ROOT });
  for (const platform of readdirSync(path.join(folder, "bin"))) {
    await t.test(platform, () => {
      const [library, ...others] = readdirSync(path.join(folder, "bin", platform));
      assert.ok(library !== undefined && others.length === 0);
      const bytes = (root: string) => readFileSync(path.join(root, platform, library));
      assert.ok(
        bytes(path.join(folder, "bin")).equals(bytes(committed)),
        `native/bin/${platform}/${library} is not what native/src makes: npm run native`,
      );
    });
  }
  assert.deepEqual(readdirSync(path.join(folder, "bin")), readdirSync(committed));
});
