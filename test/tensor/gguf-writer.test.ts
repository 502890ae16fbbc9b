import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openGguf } from "../../src/tensor/gguf.ts";
import { type GgufField, writeGguf } from "../../src/tensor/gguf-writer.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

const fields = new Map<string, GgufField>([
  ["general.architecture", { type: "string", value: "tiny" }],
  ["a.u32", { type: "u32", value: 4294967295 }],
  ["a.i32", { type: "i32", value: -7 }],
  ["a.f32", { type: "f32", value: 0.5 }],
  ["a.bool", { type: "bool", value: true }],
  ["a.texts", { type: "array", of: "string", values: ["", "Ġ", "<|x|>", "日本語"] }],
  ["a.types", { type: "array", of: "i32", values: Int32Array.of(1, 3, 6) }],
  ["a.scores", { type: "array", of: "f32", values: [-0.25, -10000] }],
]);

test("what is written is read back: metadata, and tensors made when their turn comes", () => {
  const file = path.join(folder, "whole.gguf");
  const asked: string[] = [];
  const lazy = (name: string, data: ArrayBufferView) => () => {
    asked.push(name);
    return data;
  };
  writeGguf(
    file,
    fields,
    [
      { name: "odd", type: "F32", shape: [3], data: lazy("odd", Float32Array.of(1, 2, 3)) },
      { name: "blocks", type: "Q8_0", shape: [2, 32], data: lazy("blocks", new Uint8Array(68).fill(7)) },
      { name: "last", type: "F16", shape: [1, 2, 2], data: new Uint16Array([0x3c00, 0, 0, 0x4000]) },
    ],
    (name) => asked.push(`${name} is written`),
  );
  assert.deepEqual(asked, ["odd", "odd is written", "blocks", "blocks is written", "last is written"]);
  const read = openGguf(file);
  assert.deepEqual(
    [...read.metadata],
    [
      ["general.architecture", "tiny"],
      ["a.u32", 4294967295],
      ["a.i32", -7],
      ["a.f32", 0.5],
      ["a.bool", true],
      ["a.texts", ["", "Ġ", "<|x|>", "日本語"]],
      ["a.types", [1, 3, 6]],
      ["a.scores", [-0.25, -10000]],
    ],
  );
  assert.deepEqual(read.readFloat32("odd"), Float32Array.of(1, 2, 3));
  assert.deepEqual(read.readRaw("blocks"), new Uint8Array(68).fill(7));
  assert.deepEqual(read.entries.get("last")?.shape, [1, 2, 2]);
  assert.deepEqual(read.readFloat32("last"), Float32Array.of(1, 0, 0, 2));
  read.close();
});

test("a file of gguf-py's is written again to the same bytes", () => {
  const source = fixture("tiny-llama.gguf");
  const read = openGguf(source);
  const typed = [...read.metadata].map(([key, value]): [string, GgufField] => {
    if (typeof value === "string") return [key, { type: "string", value }];
    if (key.endsWith(".tokens"))
      return [key, { type: "array", of: "string", values: read.getStringArray(key) }];
    if (key.endsWith("_type")) return [key, { type: "array", of: "i32", values: read.getNumberArray(key) }];
    const isFloat = /epsilon|freq_base/.test(key);
    return [key, { type: isFloat ? "f32" : "u32", value: Number(value) }];
  });
  const file = path.join(folder, "again.gguf");
  const tensors = [...read.entries.values()].map(({ name, type, shape }) => ({
    name,
    type,
    shape,
    data: read.readRaw(name),
  }));
  writeGguf(file, new Map(typed), tensors);
  read.close();
  assert.ok(readFileSync(file).equals(readFileSync(source)));
});

test("a tensor that does not fit, or comes twice, leaves nothing behind", () => {
  const file = path.join(folder, "never.gguf");
  const ones = { type: "F32", shape: [2] } as const;
  const cases = [
    [{ name: "a", ...ones, data: () => new Float32Array(3) }],
    [
      { name: "a", ...ones, data: new Float32Array(2) },
      { name: "a", ...ones, data: new Float32Array(2) },
    ],
    [{ name: "a", type: "Q8_0", shape: [31], data: new Uint8Array(34) } as const],
    [{ name: "a", type: "BOOL", shape: [1], data: new Uint8Array(1) } as const],
  ];
  for (const tensors of cases) {
    assert.throws(() => writeGguf(file, fields, tensors), { code: "MAGDI_BAD_FILE", message: /tensor "a"/ });
  }
  assert.ok(!existsSync(file));
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith("never")),
    [],
  );
});
