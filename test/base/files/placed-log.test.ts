// A log whose lines stay on disk: what is read again, what is cut off, and what stays untouched.

import assert from "node:assert/strict";
import { appendFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { type PlacedLine, PlacedLog, readPlacedLog } from "../../../src/base/files/placed-log.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const folder = scratchFolder();
const OPTIONS = { head: { kind: 1 }, otherHead: "expected another file" };
const HEAD = '{"kind":1}\n';

function opened(file: string, fresh = false): { readonly log: PlacedLog; readonly found: PlacedLine[] } {
  const found: PlacedLine[] = [];
  const log = PlacedLog.open(file, { ...OPTIONS, fresh }, (line) => found.push(line));
  return { log, found };
}

test("lines are read by their places, those of earlier sessions too, however long they are", () => {
  const file = path.join(folder, "places.jsonl");
  const long = { text: "é".repeat(100_000) }; // over several pieces, cut within a character
  const first = opened(file);
  const places = [{ n: 1 }, long, { n: 3 }].map((line) => first.log.append(line));
  assert.deepEqual(JSON.parse(first.log.read(places[1]!).text), long);
  first.log.close();
  const again = opened(file);
  assert.deepEqual(
    again.found.map(({ offset }) => offset),
    places,
  );
  const fourth = again.log.append({ n: 4 });
  assert.deepEqual(
    [...again.log.lines()].map(({ text }) => text.length),
    [7, long.text.length + 11, 7, 7],
  );
  assert.equal(again.log.read(places[2]!).text, '{"n":3}');
  assert.equal(again.log.read(fourth).text, '{"n":4}');
  assert.match(again.found[1]!.where, /places\.jsonl:3$/);
  again.log.close();
  assert.equal(opened(file, true).found.length, 0);
  assert.equal(readFileSync(file, "utf8"), HEAD, "thrown away");
});

test("a torn last line and a torn first one are dropped, also behind bytes that are no UTF-8", () => {
  const file = path.join(folder, "torn.jsonl");
  const bad = Buffer.concat([Buffer.from('{"text":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n')]);
  writeFileSync(file, Buffer.concat([Buffer.from(HEAD), bad, Buffer.from('{"n":1}\n{"n":2')]));
  assert.deepEqual([...readPlacedLog(file, OPTIONS)].length, 2, "reading leaves it as it is");
  const { log } = opened(file);
  log.append({ n: 3 });
  log.close();
  assert.equal(readFileSync(file, "latin1").slice(-16), '{"n":1}\n{"n":3}\n');
  assert.equal(statSync(file).size, HEAD.length + bad.length + 16);
  writeFileSync(file, HEAD.slice(0, 4));
  opened(file).log.close();
  assert.equal(readFileSync(file, "utf8"), HEAD);
});

test("another file, and one that cannot be read, are left as they are", () => {
  const file = path.join(folder, "other.txt");
  for (const text of ["my notes", `{"kind":2}\n{"n":1}\n`, `${HEAD.trimEnd()} \n`]) {
    writeFileSync(file, text);
    assert.throws(() => opened(file), {
      code: "MAGDI_BAD_CONFIG",
      message: /other\.txt: expected another file$/,
    });
    assert.throws(() => [...readPlacedLog(file, OPTIONS)], { code: "MAGDI_BAD_CONFIG" });
    assert.equal(readFileSync(file, "utf8"), text);
  }
  writeFileSync(file, HEAD);
  appendFileSync(file, "{}\ntorn");
  const refuse = (): never => {
    throw new Error("not this line");
  };
  assert.throws(() => PlacedLog.open(file, { ...OPTIONS, fresh: false }, refuse), /not this line/);
  assert.equal(readFileSync(file, "utf8"), `${HEAD}{}\ntorn`);
});
