// A file is the old one or the whole new one: what a failed write leaves is what was there before, and nothing else.

import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { WholeFile, writeWholeFile } from "../../../src/base/files/whole-file.ts";
import { NotWritten, writing } from "../../../src/base/files/write-errors.ts";
import { NO_LIMITS, withFilesUpTo } from "../../support/limited-process.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";
import { watchSyncs } from "../../support/watched-syncs.ts";

const folder = scratchFolder();

test("a file is written into a folder that is made for it, and written over", () => {
  const file = path.join(folder, "new", "report.json");
  writeWholeFile(file, "one");
  writeWholeFile(file, "two");
  assert.equal(readFileSync(file, "utf8"), "two");
  assert.deepEqual(readdirSync(path.dirname(file)), ["report.json"]);
});

test("a file that cannot be put in its place leaves nothing beside it", () => {
  const place = path.join(folder, "taken");
  mkdirSync(path.join(place, "report.json", "inner"), { recursive: true });
  const refused = { code: "MAGDI_NOT_WRITTEN", message: /taken\/report\.json: cannot be written \(/ };
  assert.throws(() => writeWholeFile(path.join(place, "report.json"), "text"), refused);
  assert.deepEqual(readdirSync(place), ["report.json"]);
  writeWholeFile(path.join(place, "file"), "text");
  assert.throws(() => writeWholeFile(path.join(place, "file", "report.json"), "text"), {
    code: "MAGDI_NOT_WRITTEN",
  });
});

test("it is written under a name of this process beside its place, until it is whole", () => {
  const place = path.join(folder, "pieces");
  mkdirSync(place);
  const file = path.join(place, "data");
  writeFileSync(file, "before");
  const whole = new WholeFile(file);
  whole.write("one ");
  whole.write(Uint16Array.of(0x7774, 0x206f).subarray(0, 1)); // "tw"
  whole.write("o");
  assert.deepEqual(readdirSync(place), ["data", `data.${process.pid}.part`]);
  whole.close();
  assert.equal(readFileSync(file, "utf8"), "before");
  whole.commit();
  assert.equal(readFileSync(file, "utf8"), "one two");
  assert.deepEqual(readdirSync(place), ["data"]);
});

test("what is discarded leaves what was there", () => {
  const place = path.join(folder, "discarded");
  mkdirSync(place);
  const file = path.join(place, "data");
  writeFileSync(file, "before");
  const whole = new WholeFile(file);
  whole.write("half");
  whole.discard();
  whole.discard();
  assert.equal(readFileSync(file, "utf8"), "before");
  assert.deepEqual(readdirSync(place), ["data"]);
});

test("the file is on the disk before it has its name, and then the name", {
  skip: process.platform === "win32" && "folders cannot be opened here",
}, () => {
  const place = path.join(folder, "flushed");
  mkdirSync(place);
  const file = path.join(place, "data");
  const synced: [string, boolean][] = [];
  const stopWatching = watchSyncs((inode) => {
    synced.push([inode === statSync(place).ino ? "folder" : "file", existsSync(file)]);
  });
  writeWholeFile(file, "text");
  stopWatching();
  assert.deepEqual(synced, [
    ["file", false],
    ["folder", true],
  ]);
});

test("where nothing can be flushed, a file takes its place all the same; where flushing fails, it does not", () => {
  const place = path.join(folder, "unflushed");
  const file = path.join(place, "data");
  const writeWhere = (code: string): void => {
    const stopWatching = watchSyncs(() => {
      throw Object.assign(new Error(`${code}: fsync`), { code, syscall: "fsync" });
    });
    try {
      writeWholeFile(file, code);
    } finally {
      stopWatching();
    }
  };
  writeWhere("EINVAL");
  assert.throws(() => writeWhere("EIO"), {
    code: "MAGDI_NOT_WRITTEN",
    message: /data: cannot be written \(EIO/,
  });
  assert.equal(readFileSync(file, "utf8"), "EINVAL");
  assert.deepEqual(readdirSync(place), ["data"]);
});

test("a disk that fills up is one error with place, cause and what to do, and nothing is left beside", {
  skip: NO_LIMITS,
}, () => {
  const place = path.join(folder, "full");
  const file = path.join(place, "data");
  writeWholeFile(file, "before");
  const source = JSON.stringify(import.meta.resolve("../../../src/base/files/whole-file.ts"));
  const found = withFilesUpTo<{ code: string; message: string }>(
    512,
    `import { writeWholeFile } from ${source};
     try {
       writeWholeFile(${JSON.stringify(file)}, "x".repeat(1000));
     } catch ({ code, message }) {
       console.log(JSON.stringify({ code, message }));
     }`,
  );
  assert.equal(found.code, "MAGDI_NOT_WRITTEN");
  assert.match(
    found.message,
    /full.data: cannot be written \(EFBIG.*\); what was there before is unchanged: free/,
  );
  assert.equal(readFileSync(file, "utf8"), "before");
  assert.deepEqual(readdirSync(place), ["data"]);
});

test("a device is written to, and never replaced", { skip: !existsSync("/dev/null") }, () => {
  // By a link: were it replaced, then only that.
  const link = path.join(folder, "device");
  symlinkSync("/dev/null", link);
  writeWholeFile(link, "text");
  assert.ok(lstatSync(link).isSymbolicLink());
});

test("a refusal is told of the outermost place that it lies at, and of no other", () => {
  const run = path.join(folder, "run");
  const inner = (place: string) => () =>
    writing(place, () => writeFileSync(path.join(place, "none", "state"), ""), "inner");
  const refusalOf = (work: () => void): NotWritten => {
    try {
      work();
    } catch (error) {
      if (error instanceof NotWritten) return error;
    }
    throw new Error("expected a refusal");
  };
  for (const below of [path.join(run, "checkpoint"), `${run}.1.partial`]) {
    const { message } = refusalOf(() => writing(run, inner(below), "outer"));
    assert.match(message, /run: cannot be written \(ENOENT.*none.state'\); outer$/);
  }
  const elsewhere = path.join(folder, "running");
  const { message } = refusalOf(() => writing(run, inner(elsewhere), "outer"));
  assert.match(message, /running: cannot be written \(.*\); inner$/);
  // What is read elsewhere is no refusal to write.
  assert.throws(() => writing(run, () => readFileSync(elsewhere)), { code: "ENOENT" });
});
