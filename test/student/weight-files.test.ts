import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { WeightFiles } from "../../src/student/weight-files.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

test("a new file begins where the next tensor would not fit, and every tensor where it says", () => {
  const files = new WeightFiles(folder, "model_q4.onnx", 0, 1000);
  assert.deepEqual(files.names, []);
  const lengths = [1, 100, 900, 36, 5000, 10, 990, 1000];
  const added = lengths.map((length, value) => {
    const array = new Uint8Array(length + 8).fill(value).subarray(4, 4 + length);
    return files.add("uint8", [length], array);
  });
  files.close();
  files.close();
  const places = added.map(({ data }) => (data.kind === "external" ? `${data.location} ${data.offset}` : ""));
  assert.deepEqual(places, [
    "model_q4.onnx_data 0",
    "model_q4.onnx_data 64",
    "model_q4.onnx_data_1 0",
    "model_q4.onnx_data_1 960",
    "model_q4.onnx_data_2 0",
    "model_q4.onnx_data_3 0",
    "model_q4.onnx_data_4 0",
    "model_q4.onnx_data_5 0",
  ]);
  assert.equal(files.count, 6);
  assert.deepEqual(files.names, [...new Set(places.map((place) => place.split(" ")[0]))]);
  for (const [value, { data }] of added.entries()) {
    assert.ok(data.kind === "external");
    const bytes = readFileSync(path.join(folder, data.location)).subarray(
      data.offset,
      data.offset + data.length,
    );
    assert.equal(bytes.length, lengths[value]);
    assert.ok(bytes.every((byte) => byte === value));
  }
});

test("a large student's files are widened, so that there are never more than transformers.js reads", () => {
  const total = 400_000;
  const files = new WeightFiles(folder, "large.onnx", total, 100);
  // The worst case: tensors just over half of a file.
  const length = Math.ceil(total / 45 / 2) + 65;
  for (let written = 0; written < total; written += length) {
    files.add("uint8", [length], new Uint8Array(length));
  }
  files.close();
  assert.ok(files.count <= 100, `${files.count} files`);
  assert.ok(files.count > 45);
});

test("a file that is already there is not written over", () => {
  const write = () => {
    const files = new WeightFiles(folder, "twice.onnx", 0);
    files.add("float32", [1], Float32Array.of(1));
    files.close();
  };
  write();
  assert.throws(write, { code: "EEXIST" });
  assert.equal(statSync(path.join(folder, "twice.onnx_data")).size, 64);
});
