// A file of records appears whole or not at all.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { JsonLinesWriter } from "../../../src/base/files/json-lines-writer.ts";
import { readJsonRecords } from "../../../src/base/files/json-records.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const folder = scratchFolder();

test("records stand beside the file until it appears", async () => {
  const at = path.join(folder, "a.jsonl");
  writeFileSync(at, "before\n");
  const writer = new JsonLinesWriter(at);
  for (let index = 0; index < 20_000; index++) writer.write({ index, text: "é".repeat(100) });
  assert.equal(readFileSync(at, "utf8"), "before\n");
  writer.close();
  assert.equal(readFileSync(at, "utf8"), "before\n");
  writer.commit();
  const lines = readFileSync(at, "utf8").trimEnd().split("\n");
  assert.equal(writer.count, 20_000);
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).index),
    Array.from({ length: 20_000 }, (_, index) => index),
  );
  assert.deepEqual(readdirSync(folder), ["a.jsonl"]);
});

test("what is abandoned leaves the old file, and nothing else", async () => {
  const at = path.join(folder, "a.jsonl");
  writeFileSync(at, "before\n");
  const writer = new JsonLinesWriter(at);
  writer.write({ a: 1 });
  writer.discard();
  assert.equal(readFileSync(at, "utf8"), "before\n");
  assert.deepEqual(readdirSync(folder), ["a.jsonl"]);
});

test("a name that ends in .gz is gzipped", async () => {
  const at = path.join(folder, "b.jsonl.gz");
  const writer = new JsonLinesWriter(at);
  writer.write({ a: 1 });
  writer.close();
  writer.commit();
  assert.equal(gunzipSync(readFileSync(at)).toString(), '{"a":1}\n');
});

test("what is gzipped in several pieces is one text", async () => {
  const at = path.join(folder, "pieces.jsonl.gz");
  const writer = new JsonLinesWriter(at);
  for (let index = 0; index < 20_000; index++) writer.write({ index, text: "é".repeat(100) });
  writer.close();
  writer.commit();
  const lines = gunzipSync(readFileSync(at)).toString().trimEnd().split("\n");
  let count = 0;
  for await (const { where, value } of readJsonRecords(at)) {
    assert.equal(where, `${at}:${count + 1}`);
    assert.deepEqual(value, JSON.parse(lines[count]!));
    count += 1;
  }
  assert.equal(count, 20_000);
});

test("where no file can be is an error that names it", async () => {
  const at = path.join(folder, "none", "c.jsonl");
  assert.throws(() => new JsonLinesWriter(at), {
    code: "MAGDI_NOT_WRITTEN",
    message: /c\.jsonl: cannot be written/,
  });
  assert.equal(existsSync(path.dirname(at)), false);
});

test("a full device is an error, whenever it is noticed", { skip: !existsSync("/dev/full") }, async () => {
  // The device takes the place of the file beside.
  const at = path.join(folder, "full.jsonl");
  const { symlinkSync } = await import("node:fs");
  symlinkSync("/dev/full", `${at}.${process.pid}.part`);
  const writer = new JsonLinesWriter(at);
  const writing = async (): Promise<void> => {
    for (let index = 0; index < 50_000; index++) writer.write({ index, text: "x".repeat(100) });
    writer.close();
  };
  await assert.rejects(writing(), {
    code: "MAGDI_NOT_WRITTEN",
    message: /full\.jsonl: cannot be written \(.*ENOSPC/,
  });
  writer.discard();
  assert.equal(existsSync(at), false);
});
