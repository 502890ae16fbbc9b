// Places where a run's report cannot be written: one error, before anything is asked or read.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { evalReportCommand } from "../../src/cli/eval-report.ts";
import { evalRun, runEvaluation } from "../../src/cli/eval-run.ts";
import { prepareRunFiles } from "../../src/eval/report.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const at = (name: string) => path.join(folder, name);
const hasFullDevice = existsSync("/dev/full");

test("a place that can be written is made, and nothing is left there", () => {
  prepareRunFiles(at("new/deep/report.json"));
  assert.deepEqual(readdirSync(at("new/deep")), []);
  writeFileSync(at("old.json"), "old");
  prepareRunFiles(at("old.json"));
  assert.deepEqual(readdirSync(folder).sort(), ["new", "old.json"]);
});

test("a folder or a device in the place of one of the files is refused by name", () => {
  mkdirSync(at("folder.json"));
  mkdirSync(at("beside.md"));
  const expected = "--json: expected the name of a file, beside which others are written; found ";
  for (const [out, found] of [
    [at("folder.json"), `a folder at ${at("folder.json")}`],
    [at("folder.json/"), `a folder at ${at("folder.json/")}`],
    [at("beside.json"), `a folder at ${at("beside.md")}`],
    ...(hasFullDevice ? [["/dev/full", "a device at /dev/full"]] : []),
  ] as const) {
    assert.throws(() => prepareRunFiles(out), { code: "MAGDI_BAD_CONFIG", message: expected + found });
  }
});

test("a path through a file, and a full disk, are one error that names the report", () => {
  writeFileSync(at("file"), "");
  assert.throws(() => prepareRunFiles(at("file/report.json")), {
    code: "MAGDI_NOT_WRITTEN",
    message: /file\/report\.json: cannot be written \(E.*then run it again$/,
  });
  if (!hasFullDevice) return;
  symlinkSync("/dev/full", at(`full.json.${process.pid}.part`));
  assert.throws(() => prepareRunFiles(at("full.json")), {
    code: "MAGDI_NOT_WRITTEN",
    message: /full\.json: cannot be written \(ENOSPC/,
  });
  assert.ok(!readdirSync(folder).some((name) => name.startsWith("full")));
});

test("the command says so before it reads questions or opens a student", async () => {
  mkdirSync(at("page.md"));
  const run = evalRun(["--data", at("missing.jsonl"), "--model", at("no-student"), "--json", at("page.md")]);
  await assert.rejects(runEvaluation(run), { code: "MAGDI_BAD_CONFIG", message: /^--json: .*a folder/ });
  await assert.rejects(evalReportCommand.run([at("missing.json"), "--out", at("page.md")]), {
    code: "MAGDI_BAD_CONFIG",
    message: /^--out: .*a folder/,
  });
});
