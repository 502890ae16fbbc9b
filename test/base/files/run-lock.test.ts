// One run a folder: who is refused, and which locks hold nobody up.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { lockFolder } from "../../../src/base/files/run-lock.ts";
import { isRunning, startOf } from "../../../src/base/files/running-process.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const scratch = scratchFolder();
const newFolder = () => mkdtempSync(path.join(scratch, "run-"));
const lockOf = (folder: string) => path.join(folder, "lock");

/** A lock as a process with this id would have written it. */
function writeLock(folder: string, pid: number, start: string | null): void {
  writeFileSync(lockOf(folder), JSON.stringify({ pid, start, since: "2026-01-01T00:00:00.000Z" }));
}

/** The id of a process that is gone. */
async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(child, "exit");
  return child.pid!;
}

test("the second run in a folder is refused by the first one's name, and may begin after it", () => {
  const folder = newFolder();
  const unlock = lockFolder(folder, "wait for its end");
  assert.throws(() => lockFolder(folder, "wait for its end"), {
    code: "MAGDI_BAD_CONFIG",
    message: new RegExp(`found process ${process.pid}, since 20.*; wait for its end$`),
  });
  unlock();
  assert.deepEqual(readdirSync(folder), []);
  lockFolder(folder, "")();
});

test("a process that was killed holds nobody up, nor does one that was killed while it wrote its lock", async () => {
  const folder = newFolder();
  const dead = await deadProcess();
  assert.equal(isRunning(dead), false);
  writeLock(folder, dead, null);
  lockFolder(folder, "")();
  writeFileSync(lockOf(folder), "");
  assert.throws(
    () => lockFolder(folder, ""),
    { message: /found another process/ },
    "it may be writing it now",
  );
  utimesSync(lockOf(folder), 1, 1);
  const unlock = lockFolder(folder, "");
  assert.equal(JSON.parse(readFileSync(lockOf(folder), "utf8")).pid, process.pid);
  assert.deepEqual(readdirSync(folder), ["lock"]);
  unlock();
});

test("another process with the id of one that was killed holds nobody up", {
  skip: startOf(1) === null,
}, () => {
  const folder = newFolder();
  const start = startOf(process.pid)!;
  writeLock(folder, process.pid, `${start}0`);
  const unlock = lockFolder(folder, "");
  unlock();
  writeLock(folder, process.pid, start);
  assert.throws(() => lockFolder(folder, ""), { code: "MAGDI_BAD_CONFIG" });
});

test("a lock that somebody else has taken meanwhile is not given back", () => {
  const folder = newFolder();
  const unlock = lockFolder(folder, "");
  writeLock(folder, process.ppid, null);
  unlock();
  assert.ok(existsSync(lockOf(folder)));
});
