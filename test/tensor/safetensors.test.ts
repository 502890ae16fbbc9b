import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSafetensors, openShardedSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";
import { assertRefused, assertTruncationsRefused, openMutations } from "./support/hostile.ts";
import { fixtures, scratchFolder } from "./support/scratch.ts";

const scratch = scratchFolder();

/** The bytes of a file with that header, whatever it claims, and so many bytes of data. */
function fileWith(header: string, dataBytes: number, claimedLength = Buffer.byteLength(header)): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimedLength));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes, 1)]);
}

function refuse(
  header: string,
  dataBytes: number,
  pattern: RegExp,
  code: "MAGDI_BAD_FILE" | "MAGDI_UNSUPPORTED" = "MAGDI_BAD_FILE",
): void {
  const path = scratch.write("hostile.safetensors", fileWith(header, dataBytes));
  assertRefused(() => openSafetensors(path), code, /hostile\.safetensors: /);
  assertRefused(() => openSafetensors(path), code, pattern);
}

const small = [
  { name: "b", type: "F32", shape: [2, 3], data: Float32Array.of(1, -2, 3, 4, 5, 6) },
  { name: "a", type: "F16", shape: [3], data: Uint16Array.of(0x3c00, 0xc000, 1) },
  { name: "n", type: "I64", shape: [2], data: BigInt64Array.of(7n, -1n) },
  { name: 'a"b\\c\u0001é', type: "BF16", shape: [1], data: Uint16Array.of(0x4040) },
  { name: "none", type: "U8", shape: [0, 4], data: new Uint8Array(0) },
  { name: "scalar", type: "BOOL", shape: [], data: Uint8Array.of(1) },
] as const;

test("reads the reference's own file", () => {
  const file = openSafetensors(join(fixtures, "tiny-llama/base/model.safetensors"));
  assert.equal(file.metadata.get("format"), "pt");
  assert.deepEqual(file.entries.get("model.layers.1.mlp.down_proj.weight")?.shape, [64, 96]);
  const norm = file.readFloat32("model.norm.weight");
  assert.equal(norm.length, 64);
  assert.ok(norm.every((value) => Number.isFinite(value) && value !== 0));
  file.close();
});

test("what was written is read back, in arrays of their own", () => {
  const path = join(scratch.folder, "small.safetensors");
  writeSafetensors(path, small, { format: "pt", "10": "x", "2": "y" });
  const file = openSafetensors(path);
  assert.deepEqual([...file.entries.keys()], ["n", "b", "a", 'a"b\\c\u0001é', "none", "scalar"]);
  assert.deepEqual(
    [...file.metadata],
    [
      ["10", "x"],
      ["2", "y"],
      ["format", "pt"],
    ],
  );
  assert.deepEqual([...file.readFloat32("b")], [1, -2, 3, 4, 5, 6]);
  assert.deepEqual([...file.readFloat32("a")], [1, -2, 2 ** -24]);
  assert.deepEqual([...file.readFloat32('a"b\\c\u0001é')], [3]);
  assert.deepEqual(new BigInt64Array(file.readRaw("n").buffer), BigInt64Array.of(7n, -1n));
  assert.equal(file.readRaw("none").length, 0);
  assert.deepEqual(file.entries.get("scalar")?.shape, []);
  for (const name of file.entries.keys()) {
    const raw = file.readRaw(name);
    assert.equal(raw.byteOffset, 0);
    assert.equal(raw.buffer.byteLength, raw.byteLength);
  }
  for (const { position } of [...file.entries.values()].slice(0, 2)) assert.equal(position % 8, 0);
  assertRefused(() => file.readFloat32("n"), "MAGDI_UNSUPPORTED", /tensor "n": expected floats, found I64/);
  assertRefused(() => file.readRaw("m"), "MAGDI_BAD_FILE", /tensor "m"/);
  file.close();
  file.close();
  assertRefused(() => file.readRaw("n"), "MAGDI_BAD_FILE", /closed/);
});

test("the same tensors in another order give the same bytes, and nothing is left beside them", () => {
  const folder = join(scratch.folder, "written");
  mkdirSync(folder);
  writeSafetensors(join(folder, "one"), small, { a: "1", b: "2" });
  writeSafetensors(join(folder, "two"), [...small].reverse(), { b: "2", a: "1" });
  assert.deepEqual(readFileSync(join(folder, "one")), readFileSync(join(folder, "two")));
  mkdirSync(join(folder, "taken"));
  assert.throws(() => writeSafetensors(join(folder, "taken"), small));
  assert.deepEqual(readdirSync(folder).sort(), ["one", "taken", "two"]);
});

test("what cannot be written is refused before anything is", () => {
  const path = join(scratch.folder, "unwritten");
  const data = new Float32Array(2);
  const one = { name: "w", type: "F32", shape: [2], data } as const;
  assertRefused(() => writeSafetensors(path, [one, one]), "MAGDI_BAD_FILE", /names of their own.*"w"/);
  assertRefused(
    () => writeSafetensors(path, [{ ...one, name: "__metadata__" }]),
    "MAGDI_BAD_FILE",
    /__metadata__/,
  );
  assertRefused(
    () => writeSafetensors(path, [{ ...one, shape: [3] }]),
    "MAGDI_BAD_FILE",
    /"w".*12 bytes.*found 8/,
  );
  assertRefused(() => writeSafetensors(path, [{ ...one, type: "Q4_0" }]), "MAGDI_UNSUPPORTED", /Q4_0/);
  assert.ok(!readdirSync(scratch.folder).includes("unwritten"));
});

test("no file, or a folder instead of one", () => {
  assertRefused(() => openSafetensors(join(scratch.folder, "nowhere")), "MAGDI_FILE_MISSING", /nowhere/);
  assertRefused(() => openSafetensors(scratch.folder), "MAGDI_BAD_FILE", /regular file/);
});

test("every truncation is refused", () => {
  const path = join(scratch.folder, "small.safetensors");
  writeSafetensors(path, small, { format: "pt" });
  assertTruncationsRefused(scratch, readFileSync(path), openSafetensors);
});

test("four thousand damaged files: read, or refused", () => {
  const path = join(scratch.folder, "small.safetensors");
  writeSafetensors(path, small, { format: "pt" });
  const bytes = readFileSync(path);
  const options = { count: 2000, before: bytes.length };
  const opened = openMutations(scratch, bytes, openSafetensors, { ...options, seed: 1 });
  openMutations(scratch, bytes, openSafetensors, { ...options, seed: 2, before: 12 });
  assert.ok(opened > 0 && opened < 2000, `${opened} of 2000 were read`);
});

test("a header longer than the file, or than any header", () => {
  for (const claimed of [40, 99_999_999]) {
    const path = scratch.write("long", fileWith("{}", 0, claimed));
    assertRefused(() => openSafetensors(path), "MAGDI_BAD_FILE", /a file of 10 bytes/);
  }
  const gigabytes = scratch.write("gigabytes", fileWith("{}", 0, 3_000_000_000));
  truncateSync(gigabytes, 4_000_000_000);
  assertRefused(() => openSafetensors(gigabytes), "MAGDI_BAD_FILE", /at most 100000000.*found 3000000000/);
  const negative = scratch.write("negative", Buffer.alloc(16, 255));
  assertRefused(() => openSafetensors(negative), "MAGDI_BAD_FILE", /found 18446744073709551615/);
});

test("headers that are not the format's JSON", () => {
  refuse("[]", 0, /"\{" first/);
  refuse(" {}", 0, /"\{" first/);
  refuse("{", 0, /found the end/);
  refuse("{} x", 0, /expected the end, found "x"/);
  refuse('{"a":1}', 0, /expected an object, found "1}"/);
  refuse('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],}}', 4, /expected a key/);
  refuse('{"a":{"dtype":"F32","shape":[],"data_offsets":[0 4]}}', 4, /"," or "\]"/);
  refuse('{"a\n":{}}', 0, /closing quote/);
  refuse('{"\\x":{}}', 0, /escapes/);
  refuse('{"__metadata__":{"a":1}}', 0, /text/);
  refuse('{"a', 0, /closing quote/);
  const notText = scratch.write(
    "latin1",
    Buffer.concat([fileWith("", 0, 3), Buffer.from('{"\xff', "latin1")]),
  );
  assertRefused(() => openSafetensors(notText), "MAGDI_BAD_FILE", /UTF-8/);
});

test("white space after the header, unknown fields and metadata null are the format's", () => {
  const header =
    '{"__metadata__":null, "a":{"x":[{"y":-1.5e3},true],"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  \n';
  const file = openSafetensors(scratch.write("fine", fileWith(header, 4)));
  assert.deepEqual([...file.entries.keys()], ["a"]);
  assert.equal(file.metadata.size, 0);
  file.close();
  openSafetensors(scratch.write("empty", fileWith("{}", 0))).close();
});

test("names twice, even in disguise", () => {
  const info = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
  refuse(`{"a":${info},"a":${info}}`, 1, /each key once, found "a" twice/);
  refuse(`{"a":${info},"\\u0061":${info}}`, 1, /"a" twice/);
  refuse('{"a":{"dtype":"U8","dtype":"I8"}}', 1, /"dtype" twice/);
  refuse('{"__metadata__":{},"__metadata__":{}}', 0, /"__metadata__" twice/);
  refuse(`{"":${info}}`, 1, /a name, found none/);
  const proto = openSafetensors(scratch.write("proto", fileWith(`{"__proto__":${info}}`, 1)));
  assert.deepEqual([...proto.entries.keys()], ["__proto__"]);
  proto.close();
});

test("more keys than any model has", () => {
  const keys = Array.from({ length: 2 ** 20 + 1 }, (_, i) => `"${i}":""`).join(",");
  const path = scratch.write("keys", fileWith(`{"__metadata__":{${keys}}}`, 0));
  assertRefused(() => openSafetensors(path), "MAGDI_UNSUPPORTED", /more than 1048576 keys/);
});

test("depth bombs", () => {
  const deep = 1_000_000;
  refuse('{"a":'.repeat(deep), 0, /expected/);
  refuse(`{"a":{"x":${"[".repeat(deep)}`, 0, /at most 64 levels/);
  refuse(`{"a":{"x":${'{"x":'.repeat(deep)}`, 0, /at most 64 levels/);
  refuse(`{"a":{"shape":${"[".repeat(deep)}`, 0, /shape/);
});

test("offsets that lie", () => {
  const tensor = (name: string, type: string, shape: string, offsets: string) =>
    `"${name}":{"dtype":"${type}","shape":${shape},"data_offsets":${offsets}}`;
  refuse(
    `{${tensor("a", "U8", "[4]", "[0,4]")},${tensor("b", "U8", "[4]", "[2,6]")}}`,
    6,
    /"b".*offset 4, found 2: an overlap/,
  );
  refuse(`{${tensor("a", "U8", "[4]", "[0,4]")},${tensor("b", "U8", "[4]", "[0,4]")}}`, 4, /overlap/);
  refuse(`{${tensor("a", "U8", "[4]", "[0,4]")},${tensor("b", "U8", "[4]", "[5,9]")}}`, 9, /"b".*a hole/);
  refuse(`{${tensor("a", "U8", "[4]", "[1,5]")}}`, 5, /a hole/);
  refuse(`{${tensor("a", "U8", "[4]", "[0,4]")}}`, 5, /what follows the last tensor/);
  refuse(`{${tensor("a", "U8", "[4]", "[0,4]")}}`, 3, /truncated/);
  refuse(`{${tensor("a", "U8", "[4]", "[-4,0]")}}`, 4, /at least 0, found "-4"/);
  refuse(`{${tensor("a", "U8", "[4]", "[4,0]")}}`, 4, /data_offsets \[4, 0\]/);
  refuse(`{${tensor("a", "U8", "[4]", "[0,4,8]")}}`, 4, /at most 2 numbers/);
  refuse(`{${tensor("a", "U8", "[4]", "[0]")}}`, 4, /two data_offsets/);
  refuse(`{${tensor("a", "U8", "[4]", "[0,9007199254740993]")}}`, 4, /found "9007199254740993"/);
});

test("shapes and types that lie", () => {
  const tensor = (type: string, shape: string) =>
    `{"w":{"dtype":"${type}","shape":${shape},"data_offsets":[0,4]}}`;
  refuse(tensor("F32", "[2]"), 4, /"w".*8 bytes for F32 \[2\]/);
  refuse(tensor("F32", "[4294967296,4294967296,4294967296]"), 4, /countable/);
  refuse(tensor("F32", "[9007199254740991]"), 4, /countable/);
  refuse(tensor("F32", "[1.5]"), 4, /whole number/);
  refuse(tensor("F32", "[1e0]"), 4, /whole number/);
  refuse(tensor("F32", "[-1,-1]"), 4, /whole number/);
  refuse(tensor("F32", `[${"1,".repeat(64)}1]`), 4, /at most 64 numbers/);
  refuse(tensor("F31", "[1]"), 4, /dtype of the format, found "F31"/);
  refuse(tensor("Q4_0", "[32]"), 4, /dtype of the format, found "Q4_0"/);
  refuse(tensor("constructor", "[1]"), 4, /dtype of the format/);
  refuse(tensor("F8_E4M3", "[4]"), 4, /F8_E4M3 is not implemented/, "MAGDI_UNSUPPORTED");
});

test("shards behind an index are one file", () => {
  const folder = join(scratch.folder, "sharded");
  mkdirSync(folder);
  writeSafetensors(join(folder, "one.safetensors"), small.slice(0, 2));
  writeSafetensors(join(folder, "two.safetensors"), small.slice(2, 3));
  const index = join(folder, "model.safetensors.index.json");
  const map = { b: "one.safetensors", a: "one.safetensors", n: "two.safetensors" };
  writeFileSync(index, JSON.stringify({ metadata: { total_size: 46.5, deep: [[{}]] }, weight_map: map }));
  const file = openShardedSafetensors(index);
  assert.deepEqual([...file.entries.keys()].sort(), ["a", "b", "n"]);
  assert.deepEqual([...file.readFloat32("b")], [1, -2, 3, 4, 5, 6]);
  assert.equal(file.readRaw("n").length, 16);
  assertRefused(() => file.readRaw("x"), "MAGDI_BAD_FILE", /index\.json: tensor "x"/);
  file.close();
  assertRefused(() => file.readRaw("n"), "MAGDI_BAD_FILE", /closed/);

  const broken = (weightMap: unknown, code: "MAGDI_BAD_FILE" | "MAGDI_FILE_MISSING", pattern: RegExp) => {
    writeFileSync(index, JSON.stringify({ weight_map: weightMap }));
    assertRefused(() => openShardedSafetensors(index), code, pattern);
  };
  broken(
    { ...map, x: "two.safetensors", y: "one.safetensors" },
    "MAGDI_BAD_FILE",
    /missing: "x" in "two\.safetensors", "y" in/,
  );
  broken({ ...map, x: "three", y: "four" }, "MAGDI_FILE_MISSING", /missing: "three", "four"/);
  const outside = ["../one.safetensors", "/etc/passwd", "x/../../one", "..", "", "a\0b", "x/../..", "."];
  for (const shard of outside.slice(0, -1))
    broken({ a: shard }, "MAGDI_BAD_FILE", /tensor "a": expected a shard inside/);
  broken({ a: "." }, "MAGDI_BAD_FILE", /regular file/);
  broken({}, "MAGDI_BAD_FILE", /found none/);
  broken([], "MAGDI_BAD_FILE", /an object/);
  writeFileSync(index, '{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}');
  assertRefused(() => openShardedSafetensors(index), "MAGDI_BAD_FILE", /"a" twice/);
  assertRefused(() => openShardedSafetensors(join(folder, "no.json")), "MAGDI_FILE_MISSING", /no\.json/);
});
