// A folder that appears whole: what is on the disk when, should the power go.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { partialPath, putInPlace, restoreReplaced } from "../../../src/base/files/whole-folder.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";
import { watchSyncs } from "../../support/watched-syncs.ts";

const scratch = scratchFolder();
const noFolders = process.platform === "win32" && "folders cannot be opened here";

function written(folder: string, text: string): string {
  mkdirSync(folder);
  writeFileSync(path.join(folder, "text"), text);
  return folder;
}

test("the new folder and its name are on the disk before the old one is removed", { skip: noFolders }, () => {
  const out = written(path.join(scratch, "out"), "old");
  const partial = written(partialPath(out), "new");
  const synced: { readonly what: string; readonly text: string; readonly replaced: boolean }[] = [];
  const names = new Map([
    [statSync(partial).ino, "folder"],
    [statSync(scratch).ino, "parent"],
  ]);
  const stopWatching = watchSyncs((inode) => {
    const text = readFileSync(path.join(out, "text"), "utf8");
    synced.push({ what: names.get(inode) ?? "", text, replaced: existsSync(`${out}.replaced`) });
  });
  putInPlace(partial, out);
  stopWatching();
  assert.deepEqual(synced, [
    { what: "folder", text: "old", replaced: false },
    { what: "parent", text: "new", replaced: true },
  ]);
  assert.deepEqual(readdirSync(scratch), ["out"]);
});

test("where folders cannot be flushed, the new one takes its place all the same", () => {
  const out = path.join(scratch, "unflushed");
  const partial = written(partialPath(out), "new");
  const stopWatching = watchSyncs(() => {
    throw Object.assign(new Error("EINVAL: invalid argument, fsync"), { code: "EINVAL" });
  });
  putInPlace(partial, out);
  stopWatching();
  assert.equal(readFileSync(path.join(out, "text"), "utf8"), "new");
});

test("a replacement that was cut between its renames gives back what was there", () => {
  const out = path.join(scratch, "cut");
  written(`${out}.replaced`, "old");
  restoreReplaced(out);
  assert.equal(readFileSync(path.join(out, "text"), "utf8"), "old");
});
