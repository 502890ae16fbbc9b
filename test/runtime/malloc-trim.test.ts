import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import koffi from "koffi";
import { returnFreedMemory } from "../../src/runtime/malloc-trim.ts";

const glibc =
  process.platform === "linux" &&
  "glibcVersionRuntime" in (process.report.getReport() as { header: object }).header;

const residentKilobytes = (): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

test("what native code has freed goes back to the system", {
  skip: glibc ? false : "glibc alone keeps it",
}, () => {
  const libc = koffi.load("libc.so.6");
  const allocate = libc.func("void *malloc(size_t)");
  const fill = libc.func("void *memset(void *, int, size_t)");
  const free = libc.func("void free(void *)");
  const blocks = Array.from({ length: 20_000 }, () => allocate(4000) as unknown);
  for (const block of blocks) fill(block, 1, 4000);
  // The last one stays, and keeps all that lies before it from being given back by itself.
  for (const block of blocks.slice(0, -1)) free(block);
  const before = residentKilobytes();
  returnFreedMemory();
  const after = residentKilobytes();
  free(blocks.at(-1));
  assert.ok(before - after > 60_000, `${before} kB, then ${after} kB`);
});
