// A training run's own folder in the place of its student or its adapter.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { adapterFolder, studentFolder } from "../../src/cli/run-folder.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

function put(name: string): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, "{}");
  return path.dirname(file);
}

test("a run's student and best adapter are found", async () => {
  const run = put("run/settings.json");
  const student = put("run/student/student.json");
  const adapter = put("run/best/adapter_config.json");
  assert.equal(await studentFolder(run), student);
  assert.equal(await adapterFolder(run), adapter);
});

test("a student, an adapter, an address and a folder of anything else stay what they are", async () => {
  const student = put("student/student.json");
  put("student/settings.json");
  const adapter = put("adapter/adapter_config.json");
  put("adapter/settings.json");
  assert.equal(await studentFolder(student), student);
  assert.equal(await adapterFolder(adapter), adapter);
  assert.equal(await studentFolder("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
  assert.equal(await adapterFolder(path.join(folder, "none")), path.join(folder, "none"));
});

test("a run without a student is told with what makes one", async () => {
  const run = put("half/settings.json");
  await assert.rejects(studentFolder(run), {
    code: "MAGDI_FILE_MISSING",
    message: /half: expected a student in this training run, found none; .*--resume .*magdi export --adapter/,
  });
});
