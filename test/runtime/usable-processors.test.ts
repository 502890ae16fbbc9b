import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { usableProcessors } from "../../src/runtime/usable-processors.ts";

/** A folder of control groups with these files, and the process's membership. */
function usable(
  t: { after(f: () => void): void },
  membership: string,
  files: Record<string, string>,
): number {
  const root = mkdtempSync(path.join(tmpdir(), "magdi-groups-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries({ ...files, membership })) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), `${text}\n`);
  }
  return usableProcessors({
    parallelism: 8,
    controlGroups: root,
    membership: path.join(root, "membership"),
  });
}

test("a container's quota bounds the processors, whole ones count, and one is the least", (t) => {
  assert.equal(usable(t, "0::/", { "cpu.max": "400000 100000" }), 4);
  assert.equal(usable(t, "0::/", { "cpu.max": "250000 100000" }), 2);
  assert.equal(usable(t, "0::/", { "cpu.max": "50000 100000" }), 1);
  assert.equal(usable(t, "0::/", { "cpu.max": "1600000 100000" }), 8);
  assert.equal(usable(t, "0::/", { "cpu.max": "max 100000" }), 8);
});

test("the quotas of the groups above a group bound it too", (t) => {
  const files = { "a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000" };
  assert.equal(usable(t, "0::/a/b", files), 3);
  assert.equal(usable(t, "0::/a/b/../c", files), 3, "a path with dots stays inside");
  assert.equal(
    usable(t, "0::/not/here", { "cpu.max": "200000 100000" }),
    2,
    "a host's path, inside a container",
  );
});

test("the first version of control groups is read where it is used, and the other hierarchies are not", (t) => {
  const files = { "cpu/a/cpu.cfs_quota_us": "200000", "cpu/a/cpu.cfs_period_us": "100000" };
  assert.equal(usable(t, "5:memory:/a\n4:cpu,cpuacct:/a", files), 2);
  assert.equal(usable(t, "4:cpu,cpuacct:/a", { ...files, "cpu/a/cpu.cfs_quota_us": "-1" }), 8);
  assert.equal(usable(t, "5:memory:/a", files), 8);
});

test("without control groups it is what the system says", () => {
  assert.equal(usableProcessors({ membership: "/nowhere" }), availableParallelism());
});
