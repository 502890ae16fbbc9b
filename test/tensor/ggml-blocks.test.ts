import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { dequantize, isGridType, toBlockGrid } from "../../src/tensor/ggml-blocks.ts";
import { openSafetensors, type SafetensorsFile } from "../../src/tensor/safetensors.ts";
import type { TensorType } from "../../src/tensor/stored-type.ts";
import { assertRefused } from "./support/hostile.ts";
import { fixtures } from "./support/scratch.ts";

const quantized = openSafetensors(join(fixtures, "ggml-quants.safetensors"));
const random = openSafetensors(join(fixtures, "ggml-random-blocks.safetensors"));
after(() => {
  quantized.close();
  random.close();
});

const GRID_BITS = { Q4_0: 4, Q4_1: 4, Q5_0: 8, Q5_1: 8, Q8_0: 8, Q4_K: 4, Q5_K: 8 } as const;
const NO_GRID = ["Q6_K", "F16", "BF16"] as const;

/** Each place that a type's reference floats come from. */
function references(type: TensorType): { file: SafetensorsFile; rows: number; columns: number }[] {
  return [quantized, random].flatMap((file) => {
    const shape = file.entries.get(`${type}.f32`)?.shape;
    return shape === undefined ? [] : [{ file, rows: shape[0]!, columns: shape[1]! }];
  });
}

for (const type of [...Object.keys(GRID_BITS), ...NO_GRID] as (keyof typeof GRID_BITS)[]) {
  test(`${type}: the values are the reference's, bit for bit`, () => {
    const found = references(type);
    assert.ok(found.length > 0);
    for (const { file, rows, columns } of found) {
      const values = dequantize(type, file.readRaw(`${type}.raw`), rows * columns);
      const bits = Buffer.from(values.buffer);
      assert.ok(bits.equals(file.readRaw(`${type}.f32`)), `${file.path} differs`);
    }
  });
}

for (const [type, bits] of Object.entries(GRID_BITS) as [keyof typeof GRID_BITS, 4 | 8][]) {
  test(`${type}: the grid gives the values with the sum as its only rounding`, () => {
    for (const { file, rows, columns } of references(type)) {
      const grid = toBlockGrid(type, file.readRaw(`${type}.raw`), rows, columns);
      assert.equal(grid.bits, bits);
      assert.equal(grid.codes.length, rows * columns);
      assert.equal(grid.scales.length, (rows * columns) / 32);
      const expected = file.readFloat32(`${type}.f32`);
      grid.codes.forEach((code, i) => {
        assert.ok(code < 2 ** bits);
        const scale = grid.scales[i >> 5]!;
        assert.equal(Math.fround(scale * code), scale * code, "the product needs no rounding");
        const value = Math.fround(scale * code + grid.mins[i >> 5]!);
        // == and not Object.is: a zero may have the other sign.
        assert.ok(value === expected[i], `${type} [${i}]: ${value} is not ${expected[i]}`);
      });
    }
  });
}

test("types without a grid per 32 values have none", () => {
  for (const type of [...NO_GRID, "F32", "I64"] as const) {
    assert.ok(!isGridType(type), type);
  }
});

test("bytes that do not fit the shape are refused, and integers", () => {
  const block = new Uint8Array(18);
  assertRefused(() => dequantize("Q4_0", block, 64), "MAGDI_BAD_FILE", /Q4_0.*expected 36.*found 18/);
  assertRefused(() => dequantize("Q4_0", block, 31), "MAGDI_BAD_FILE", /whole blocks/);
  assertRefused(
    () => toBlockGrid("Q4_K", new Uint8Array(144), 2, 128),
    "MAGDI_BAD_FILE",
    /Q4_K values \[2, 128\]/,
  );
  assertRefused(() => dequantize("F32", new Uint8Array(7), 2), "MAGDI_BAD_FILE", /expected 8/);
  assertRefused(() => dequantize("I8", new Uint8Array(2), 2), "MAGDI_UNSUPPORTED", /I8/);
});

test("F32 bytes amid another buffer are copied", () => {
  const bytes = new Uint8Array(new Float32Array([1, 2, 3]).buffer);
  const values = dequantize("F32", bytes.subarray(4), 2);
  assert.deepEqual([...values], [2, 3]);
  assert.equal(values.byteOffset, 0);
  assert.equal(values.buffer.byteLength, 8);
});
