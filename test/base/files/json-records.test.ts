// Records of a file in every form that they come in, and what is said of broken ones.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { MagdiError } from "../../../src/base/errors.ts";
import { type JsonRecord, readJsonRecords } from "../../../src/base/files/json-records.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const folder = scratchFolder();
let files = 0;

function file(content: string | Uint8Array): string {
  files += 1;
  const at = path.join(folder, `records-${files}`);
  writeFileSync(at, content);
  return at;
}

async function read(at: string, onBroken?: (error: MagdiError) => void): Promise<[string, unknown][]> {
  const records: [string, unknown][] = [];
  for await (const { where, value } of readJsonRecords(at, onBroken)) {
    records.push([where.slice(at.length), value]);
  }
  return records;
}

const RECORDS = [
  { text: 'a "quoted" [bracket] \\ {brace}, and\nmore' },
  { list: [1, [2, { a: "]" }]] },
  "é😀",
  4,
];

describe("records", () => {
  test("are read one a line, with the number of the line; empty lines are none", async () => {
    const at = file(`\n${JSON.stringify(RECORDS[0])}\r\n\n  ${JSON.stringify(RECORDS[1])}\n4`);
    assert.deepEqual(await read(at), [
      [":2", RECORDS[0]],
      [":4", RECORDS[1]],
      [":5", 4],
    ]);
  });

  test("are the same in an array, however it is laid out, with line and place", async () => {
    assert.deepEqual(
      (await read(file(JSON.stringify(RECORDS)))).map(([, value]) => value),
      RECORDS,
    );
    const pretty = await read(file(`\n${JSON.stringify(RECORDS, null, 2)}\n`));
    assert.deepEqual(
      pretty.map(([, value]) => value),
      RECORDS,
    );
    assert.deepEqual(
      pretty.map(([where]) => where),
      [":3[0]", ":6[1]", ":17[2]", ":18[3]"],
    );
    assert.deepEqual(await read(file("[]")), []);
    assert.deepEqual(await read(file(" [ ] \n")), []);
    assert.deepEqual(await read(file("")), []);
  });

  test("are the same gzipped and behind a byte order mark", async () => {
    const lines = RECORDS.map((record) => JSON.stringify(record)).join("\n");
    for (const text of [lines, JSON.stringify(RECORDS)]) {
      const plain = (await read(file(text))).map(([, value]) => value);
      assert.deepEqual(plain, RECORDS);
      assert.deepEqual(
        (await read(file(gzipSync(text)))).map(([, value]) => value),
        RECORDS,
      );
      assert.deepEqual(
        (await read(file(`\uFEFF${text}`))).map(([, value]) => value),
        RECORDS,
      );
    }
  });

  test("may be longer than the pieces that a file is read in, and end anywhere in them", async () => {
    // Lengths around the size of a piece, so that quotes, escapes and multi-byte characters fall on its edges.
    const records = Array.from({ length: 12 }, (_, index) => ({
      index,
      text: `${'\\"é😀[{'.repeat(16_000 + index)}`,
    }));
    for (const text of [
      records.map((one) => JSON.stringify(one)).join("\n"),
      JSON.stringify(records, null, 1),
    ]) {
      const found = await read(file(text));
      assert.deepEqual(
        found.map(([, value]) => value),
        records,
      );
    }
  });
});

describe("a document", () => {
  const values = async (text: string | Uint8Array) => (await read(file(text))).map(([, value]) => value);

  test("that is one object over several lines is one record, or the list in it", async () => {
    const one = { id: "q", choices: [{ label: "A" }] };
    assert.deepEqual(await read(file(`\n${JSON.stringify(one, null, 2)}`)), [[":2", one]]);
    const list = [{ a: 1 }, { a: 2 }];
    const expected = [
      ["[0]", list[0]],
      ["[1]", list[1]],
    ];
    for (const key of ["examples", "data", "questions"]) {
      for (const text of [
        JSON.stringify({ name: "n", [key]: list }),
        JSON.stringify({ [key]: list }, null, 1),
      ]) {
        assert.deepEqual(await read(file(text)), expected);
        assert.deepEqual(await values(gzipSync(`${text}\n`)), list);
      }
    }
    // Of several lines, each is a record.
    assert.deepEqual(await values('{"data": [1]}\n{"data": [2]}'), [{ data: [1] }, { data: [2] }]);
  });

  test("may be longer than the pieces that a file is read in", async () => {
    const examples = Array.from({ length: 6 }, (_, index) => ({ index, text: "é😀".repeat(30_000) }));
    assert.deepEqual(await values(JSON.stringify({ examples }, null, 1)), examples);
    assert.deepEqual(await values(JSON.stringify({ examples })), examples);
  });

  test("that breaks off is told from lines of which the first is broken", async () => {
    const at = file('{\n  "examples": [\n    {"a": ');
    await assert.rejects(
      read(at, () => undefined),
      { code: "MAGDI_BAD_FILE", message: /records-\d+: expected JSON, .*; is the file complete\?$/ },
    );
    const told: string[] = [];
    const lines = await read(file('{"a": \n\n{"a": 2}\n{"a": '), ({ message }) => told.push(message));
    assert.deepEqual(lines, [[":3", { a: 2 }]]);
    assert.equal(told.length, 2);
    await assert.rejects(read(file('{"a": ')), { message: /:1: expected a JSON record, found \{"a":$/ });
  });
});

test("a folder's .json files are a record each, in the order of their names, and named by them", async () => {
  const place = path.join(folder, "many");
  mkdirSync(path.join(place, "b"), { recursive: true });
  for (const [name, text] of [
    ["b/2.json", '{"a":\n2}'],
    ["b/1.json", "[1]"],
    ["a.json", "nonsense"],
    ["other.txt", "{}"],
  ] as const) {
    writeFileSync(path.join(place, name), text);
  }
  const told: string[] = [];
  const records: JsonRecord[] = [];
  for await (const record of readJsonRecords(place, ({ message }) => told.push(message)))
    records.push(record);
  assert.deepEqual(records, [
    { where: path.join(place, "b", "1.json"), name: "b/1", value: [1] },
    { where: path.join(place, "b", "2.json"), name: "b/2", value: { a: 2 } },
  ]);
  assert.deepEqual(told, [`${path.join(place, "a.json")}: expected a JSON record, found nonsense`]);
});

describe("broken records", () => {
  test("end the reading with their file and line, and what was found", async () => {
    const at = file('{"a": 1}\n{"a": \n{"a": 3}\n');
    await assert.rejects(read(at), (error) => {
      assert.ok(error instanceof MagdiError);
      assert.equal(error.code, "MAGDI_BAD_FILE");
      assert.equal(error.message, `${at}:2: expected a JSON record, found {"a":`);
      return true;
    });
  });

  test("are told and passed over when somebody listens", async () => {
    for (const [text, wheres] of [
      ['{"a": 1}\nnonsense\n{"a": 3}\n{"a"', [":2", ":4"]],
      ['[{"a": 1}, nonsense,\n\n{"a": 3},,{"b": tru}]', [":1[1]", ":3[3]", ":3[4]"]],
    ] as const) {
      const at = file(text);
      const told: string[] = [];
      const records = await read(at, ({ message }) => told.push(message));
      assert.deepEqual(
        records.map(([, value]) => value),
        [{ a: 1 }, { a: 3 }],
      );
      assert.deepEqual(
        told.map((message) => message.slice(at.length, message.indexOf(": expected"))),
        wheres,
      );
    }
  });

  test("are told from a file that is cut off, which is an error either way", async () => {
    const whole = gzipSync(`${JSON.stringify(RECORDS[0])}\n`.repeat(5000));
    for (const [content, pattern] of [
      [whole.subarray(0, whole.length - 12), /cannot be read after \d+ characters: .*is the file complete\?/],
      ['[{"a": 1}, {"a": ', /:1: expected \] at the end .* in record 1; is the file complete\?/],
      ['[{"a": 1}] {"a": 2}', /:1: expected nothing after the array of records, found \{"a": 2\}/],
    ] as const) {
      await assert.rejects(
        read(file(content), () => undefined),
        (error) => {
          assert.ok(error instanceof MagdiError);
          assert.match(error.message, pattern);
          return true;
        },
      );
    }
  });

  test("and files that are none say so", async () => {
    await assert.rejects(read(path.join(folder, "none")), { code: "MAGDI_FILE_MISSING" });
    await assert.rejects(read(folder), { code: "MAGDI_BAD_FILE" });
  });
});
