// What a failed write leaves: what was there before, and nothing else.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { writeWholeFile } from "../../src/base/files/whole-file.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

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
