// Records made to fill the memory: zipped, long, many, in each form that a file may have. Each is refused by name, and
// what is read of it stays small.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { MagdiError } from "../../../src/base/errors.ts";
import { readJsonRecords } from "../../../src/base/files/json-records.ts";
import { DOCUMENT_CHARACTERS, excessOf, RECORD_CHARACTERS } from "../../../src/base/files/record-limits.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const scratch = scratchFolder();

function file(name: string, content: string | Uint8Array): string {
  const at = path.join(scratch, name);
  writeFileSync(at, content);
  return at;
}

async function failure(at: string): Promise<string> {
  try {
    let records = 0;
    for await (const _ of readJsonRecords(at)) records += 1;
    return `${records} records`;
  } catch (error) {
    assert.ok(error instanceof MagdiError, String(error));
    assert.equal(error.code, "MAGDI_BAD_FILE");
    return error.message.slice(at.length);
  }
}

/** gzip's members may follow each other, so that a bomb is made without its length in memory. */
function bomb(begin: string, piece: string, pieces: number, end: string): Buffer {
  const member = gzipSync(piece.repeat(2 ** 20 / piece.length));
  return Buffer.concat([gzipSync(begin), ...new Array<Buffer>(pieces).fill(member), gzipSync(end)]);
}

const SHAPES: readonly (readonly [string, string, string, string])[] = [
  ["one long text", '{"a":"', "aaaa", '"}'],
  ["blank lines", "", "\n\n\n\n", "{}"],
  ["spaces within an array", "[", "    ", "1]"],
  ["an array of records", "[", `{"a":"${"b".repeat(54)}"},\n`, "{}]"],
  ["lines of records", "", `{"a":"${"b".repeat(55)}"}\n`, ""],
  ["a line and then blank ones", "{}\n", "\n\n\n\n", ""],
  ["brackets", "", "[[[[", ""],
  ["a document of empty lists", '{\n"data":[', "[], ", "1]}"],
];

test("a zipped file that grows a thousandfold is refused soon, whatever is in it", async () => {
  for (const [name, ...shape] of SHAPES) {
    const [begin, piece, end] = shape;
    const zipped = bomb(begin, piece, 64, end);
    assert.ok(zipped.length < 500_000, name);
    const said = await failure(file("bomb.gz", zipped));
    assert.match(
      said,
      /gzip made up to 100 times smaller, found more; .*unzip it first|expected (?:a record of )?at most/,
      name,
    );
  }
});

test("a bomb of half a gigabyte leaves the process small", { skip: process.platform === "win32" }, () => {
  const at = file("large.gz", bomb('{"a":"', "aaaa", 512, '"}'));
  const reader = new URL("../../../src/base/files/json-records.ts", import.meta.url).href;
  const { stdout } = spawnSync(
    process.execPath,
    [
      ...["--import", "tsx", "--input-type=module", "--eval"],
      `import { readJsonRecords } from ${JSON.stringify(reader)};
       let said = "";
       try { for await (const _ of readJsonRecords(${JSON.stringify(at)})); } catch (error) { said = error.code; }
       console.log(said, process.resourceUsage().maxRSS);`,
    ],
    { encoding: "utf8" },
  );
  const [code, kilobytes] = stdout.trim().split(" ");
  assert.equal(code, "MAGDI_BAD_FILE");
  // Without bounds it was above a gigabyte.
  assert.ok(Number(kilobytes) < 500_000, `${kilobytes} KB`);
});

test("ordinary records that zip well are read", async () => {
  const lines = Array.from({ length: 20_000 }, (_, id) => JSON.stringify({ id, question: "What is 2 + 2?" }));
  assert.equal(await failure(file("ordinary.gz", gzipSync(lines.join("\n")))), "20000 records");
});

test("a record that is too long is one broken record: those after it are read", async () => {
  const long = `"${"a".repeat(RECORD_CHARACTERS)}"`;
  for (const content of [`1\n${long}\n3\n`, `[1,\n${long},\n3]`]) {
    const broken: string[] = [];
    const values: unknown[] = [];
    const at = file("long", content);
    for await (const { value } of readJsonRecords(at, ({ message }) =>
      broken.push(message.slice(at.length)),
    )) {
      values.push(value);
    }
    assert.deepEqual(values, [1, 3]);
    assert.equal(broken.length, 1);
    assert.match(broken[0]!, /^:2(?:\[1\])?: expected a record of at most 16777216 characters, found more/);
  }
});

test("a record has a bounded number of values, a text as many characters as it likes", () => {
  assert.equal(excessOf(`[${"0,".repeat(1_999_999)}0]`, DOCUMENT_CHARACTERS), "at most 2000000 values");
  assert.equal(excessOf(`[${"0,".repeat(1_999_998)}0]`, DOCUMENT_CHARACTERS), null);
  assert.equal(excessOf(`["${"0,[{".repeat(2_000_000)}"]`, DOCUMENT_CHARACTERS), null);
  assert.equal(excessOf(`["${'\\",\\\\\\",'.repeat(1_000_000)}"]`, DOCUMENT_CHARACTERS), null);
  assert.equal(
    excessOf(`["\\\\",${"[],".repeat(2_000_000)}0]`, DOCUMENT_CHARACTERS),
    "at most 2000000 values",
  );
});

test("pipes and devices are no files of records", { skip: process.platform === "win32" }, async () => {
  const pipe = path.join(scratch, "pipe");
  assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
  assert.match(await failure(pipe), /expected a regular file, found a named pipe/);
  assert.match(await failure("/dev/zero"), /expected a regular file, found a device/);
  const link = path.join(scratch, "named-by-the-user");
  symlinkSync(file("target", "{}\n"), link);
  assert.equal(await failure(link), "1 records");
});
