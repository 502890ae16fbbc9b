import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { readJson } from "../../../src/base/files/json-file.ts";
import { readJsonRecords } from "../../../src/base/files/json-records.ts";
import { isDeeperThan, MOST_JSON_DEPTH } from "../../../src/base/json-depth.ts";
import { fromFile } from "../../../src/base/settings/read-settings.ts";
import { loadBaselines } from "../../../src/voting/baselines.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const folder = scratchFolder();
const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

test("brackets count outside strings only, and closed ones no longer", () => {
  assert.equal(isDeeperThan(nested(3), 3), false);
  assert.equal(isDeeperThan(nested(4), 3), true);
  assert.equal(isDeeperThan('{"a":[{"b":1}]}', 3), false);
  assert.equal(isDeeperThan('{"a":[{"b":[]}]}', 3), true);
  assert.equal(isDeeperThan(`["${"[".repeat(9)}","\\"[[[[","\\\\",[[]]]`, 3), false);
  assert.equal(isDeeperThan("[],".repeat(9), 1), false);
  assert.equal(isDeeperThan('["[[[[', 1), false);
});

test("a deep file of settings or baselines is one error too", () => {
  const file = path.join(folder, "settings.json");
  writeFileSync(file, `{"port": ${nested(100_000)}}`);
  for (const read of [() => fromFile(z.object({}), file, "--config"), () => loadBaselines(file)]) {
    assert.throws(read, { code: "MAGDI_BAD_CONFIG", message: /settings\.json: .*nested too deep$/ });
  }
});

test("deep files and records, closed or not, are one error with their name", async () => {
  const deep = [
    nested(1_000_000),
    "[".repeat(1_000_000),
    `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
  ];
  for (const [index, text] of deep.entries()) {
    const file = path.join(folder, `${index}.json`);
    writeFileSync(file, text);
    assert.throws(() => readJson(file), { code: "MAGDI_BAD_FILE", message: /at most 128 deep, found more$/ });
    const lines = path.join(folder, `${index}.jsonl`);
    writeFileSync(lines, `{"id": 1}\n{"id": ${text}}\n{"id": 3}\n`);
    const broken: string[] = [];
    const ids: unknown[] = [];
    for await (const { value } of readJsonRecords(lines, ({ message }) => broken.push(message)))
      ids.push(value);
    assert.deepEqual(ids, [{ id: 1 }, { id: 3 }]);
    assert.equal(broken.length, 1);
    assert.match(broken[0] ?? "", /\.jsonl:2: expected a record that nests at most 128 deep, found more$/);
    const document = path.join(folder, `document-${index}.json`);
    writeFileSync(document, `{\n"id": ${text}\n}`);
    await assert.rejects(async () => {
      for await (const record of readJsonRecords(document)) assert.fail(String(record.where));
    }, /nests at most 128 deep/);
  }
  const file = path.join(folder, "as-deep-as-allowed.json");
  writeFileSync(file, nested(MOST_JSON_DEPTH));
  assert.ok(Array.isArray(readJson(file)));
});
