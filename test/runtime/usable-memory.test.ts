// The memory that a process may come to hold, on machines and in control groups made of files.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { type UsableMemory, usableMemory } from "../../src/runtime/usable-memory.ts";

const MIB = 2 ** 20;
const OWN = 50 * MIB;

/** In groups of these files, on a machine with 8000 MiB available. */
function usable(t: TestContext, membership: string, files: Record<string, string | number>): UsableMemory {
  const root = mkdtempSync(path.join(tmpdir(), "magdi-groups-"));
  t.after(() => rmSync(root, { recursive: true }));
  const meminfo = `MemTotal: 16384000 kB\nMemAvailable: ${8000 * 1024} kB`;
  for (const [name, text] of Object.entries({ meminfo, ...files, membership })) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), `${text}\n`);
  }
  return usableMemory({
    controlGroups: root,
    membership: path.join(root, "membership"),
    meminfo: path.join(root, "meminfo"),
    ownBytes: OWN,
  });
}

const mebibytes = (memory: UsableMemory): number => memory.bytes / MIB;

test("without a limit it is what the machine has available, and what this process holds already", (t) => {
  for (const limit of ["max", ""]) {
    const memory = usable(t, "0::/", { "memory.max": limit });
    assert.equal(mebibytes(memory), 8050);
    assert.equal(memory.boundedBy, "what the machine has available");
  }
  const first = { "memory/memory.limit_in_bytes": "9223372036854771712" };
  assert.equal(mebibytes(usable(t, "4:memory:/", first)), 8050);
  assert.equal(mebibytes(usable(t, "4:memory:/gone", {})), 8050);
});

test("a group's limit is what others in it leave: not what this process holds, and not pages of files", (t) => {
  const group = (current: number, file = 0) => ({
    "memory.max": 1024 * MIB,
    "memory.current": current * MIB,
    "memory.stat": `anon 1\nfile 2\ninactive_file ${file * MIB}\nactive_file ${file * MIB}`,
  });
  assert.equal(mebibytes(usable(t, "0::/", group(50))), 1024);
  assert.equal(usable(t, "0::/", group(50)).boundedBy, "the limit of 1024 MiB of control group /");
  const shared = usable(t, "0::/", group(550));
  assert.equal(mebibytes(shared), 524);
  assert.match(shared.boundedBy, /1024 MiB of control group \/, of which others hold 500$/);
  assert.equal(mebibytes(usable(t, "0::/", group(550, 100))), 724);
  // More than its limit while it is being reclaimed.
  assert.equal(mebibytes(usable(t, "0::/", group(2000))), 0);
});

test("groups above bound a nested one, and the lower of two limits of one group counts", (t) => {
  const files = { "a/b/c/memory.max": "max", "a/b/memory.max": 900 * MIB, "a/memory.max": 700 * MIB };
  assert.equal(mebibytes(usable(t, "0::/a/b/c", files)), 700);
  assert.match(usable(t, "0::/a/b/c", files).boundedBy, /control group \/a$/);
  assert.equal(mebibytes(usable(t, "0::/a/b/c", { ...files, "a/b/memory.high": 600 * MIB })), 600);
  assert.equal(mebibytes(usable(t, "0::/host/path", { "memory.max": 300 * MIB })), 300, "inside a container");
  const crowded = { ...files, "a/memory.current": 600 * MIB };
  assert.equal(mebibytes(usable(t, "0::/a/b/c", crowded)), 150, "what others hold above counts too");
});

test("the first version of control groups is read where it is used, beside the second or alone", (t) => {
  const files = {
    "memory/x/y/memory.limit_in_bytes": 512 * MIB,
    "memory/x/y/memory.usage_in_bytes": 312 * MIB,
    "memory/x/y/memory.stat": `inactive_file 7\ntotal_inactive_file ${90 * MIB}\ntotal_active_file ${10 * MIB}`,
  };
  for (const membership of ["9:name=systemd:/\n4:memory:/x/y\n0::/", "5:cpuset,memory:/x/y"]) {
    assert.equal(mebibytes(usable(t, membership, files)), 512 - 312 + 100 + 50);
  }
  assert.equal(mebibytes(usable(t, "3:cpu:/x/y", files)), 8050, "of another controller");
});

test("here it is a number that this process fits into", () => {
  const { bytes } = usableMemory();
  assert.ok(bytes > process.memoryUsage().heapUsed && Number.isFinite(bytes), `${bytes}`);
});
