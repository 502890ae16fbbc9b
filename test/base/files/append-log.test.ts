// A log that is gone on with: what is kept, what is cut off, and what stays untouched.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { AppendLog, readLogLines } from "../../../src/base/files/append-log.ts";
import { NO_LIMITS, withFilesUpTo } from "../../support/limited-process.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const folder = scratchFolder();
const keepAll = (lines: readonly string[]): number => lines.length;

function goneOn(file: string, keep: (lines: readonly string[], tail: string) => number): string {
  const log = AppendLog.open(file, keep);
  log.append({ next: 1 });
  log.close();
  return readFileSync(file, "utf8");
}

test("a log begins empty, and each line is there when it is appended", () => {
  const file = path.join(folder, "begun.jsonl");
  const log = AppendLog.open(file, keepAll);
  log.append({ text: "a\nb" });
  assert.equal(readFileSync(file, "utf8"), '{"text":"a\\nb"}\n');
  log.close();
  assert.deepEqual(readLogLines(file), ['{"text":"a\\nb"}']);
});

test("a torn tail is cut off and the log goes on, even where it was torn within a character", () => {
  const file = path.join(folder, "torn.jsonl");
  const whole = '{"text":"é"}\n';
  const torn = Buffer.from('{"text":"é');
  for (const tail of [torn, torn.subarray(0, -1), Buffer.from("{}")]) {
    writeFileSync(file, Buffer.concat([Buffer.from(whole), tail]));
    assert.deepEqual(readLogLines(file), ['{"text":"é"}']);
    assert.equal(goneOn(file, keepAll), `${whole}{"next":1}\n`);
  }
});

test("lines behind those that are kept are cut off at their bytes, broken characters before them or not", () => {
  const file = path.join(folder, "kept.jsonl");
  const broken = Buffer.from([0x22, 0xc3, 0x22, 0x0a]); // half of a character, which is read as one of three bytes
  writeFileSync(file, Buffer.concat([broken, Buffer.from("2\n3\n")]));
  const { ino } = statSync(file);
  AppendLog.open(file, () => 2).close();
  assert.deepEqual(readFileSync(file), Buffer.concat([broken, Buffer.from("2\n")]));
  assert.equal(statSync(file).ino, ino);
});

test("a log that is refused stays as it is, and its tail is shown to who decides", () => {
  const file = path.join(folder, "others.jsonl");
  writeFileSync(file, "1\n2");
  assert.throws(
    () =>
      AppendLog.open(file, (lines, tail) => {
        throw new Error(`${lines.join()} and ${tail}`);
      }),
    /^Error: 1 and 2$/,
  );
  assert.equal(readFileSync(file, "utf8"), "1\n2");
});

test("what the disk refuses is one error that names the log, and what to do", () => {
  const file = path.join(folder, "taken.jsonl");
  mkdirSync(file);
  assert.throws(() => AppendLog.open(file, keepAll, "look elsewhere"), {
    code: "MAGDI_NOT_WRITTEN",
    message: /taken\.jsonl: cannot be written \(EISDIR.*\); look elsewhere$/,
  });
  const missing = path.join(folder, "none", "log.jsonl");
  assert.throws(() => AppendLog.open(missing, keepAll), { code: "MAGDI_NOT_WRITTEN", message: /ENOENT/ });
  assert.ok(!existsSync(path.dirname(missing)));
});

test("a line that a full disk cut short is cut off by the next who opens it", { skip: NO_LIMITS }, () => {
  const file = path.join(folder, "full.jsonl");
  const source = JSON.stringify(import.meta.resolve("../../../src/base/files/append-log.ts"));
  const found = withFilesUpTo<{ code: string; message: string }>(
    512,
    `import { AppendLog } from ${source};
     const log = AppendLog.open(${JSON.stringify(file)}, (lines) => lines.length);
     try {
       for (let line = 0; ; line++) log.append({ line, text: "x".repeat(100) });
     } catch ({ code, message }) {
       console.log(JSON.stringify({ code, message }));
     }`,
  );
  assert.equal(found.code, "MAGDI_NOT_WRITTEN");
  assert.match(found.message, /full\.jsonl: cannot be written \(EFBIG.*then run it again$/);
  assert.equal(statSync(file).size, 512);
  const lines = goneOn(file, keepAll).split("\n");
  assert.deepEqual(
    lines.slice(0, -2).map((line) => JSON.parse(line).line),
    [0, 1, 2, 3],
  );
  assert.deepEqual(lines.slice(-2), ['{"next":1}', ""]);
});
