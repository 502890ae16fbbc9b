// Quantisation held to gguf-py's, bit for bit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dequantize, isGridType, toBlockGrid } from "../../src/tensor/ggml-blocks.ts";
import { packGrid, quantiseBlocks } from "../../src/tensor/ggml-quantise.ts";
import { encodeBfloat16 } from "../../src/tensor/half.ts";
import { openSafetensors } from "../../src/tensor/safetensors.ts";
import { fixture } from "../support/scratch-folder.ts";

const recorded = openSafetensors(fixture("ggml-quantised.safetensors"));
const values = recorded.readFloat32("values");

function assertSameValues(found: Float32Array, expected: Float32Array, what: string): void {
  const at = expected.findIndex((value, index) => value !== found[index]);
  assert.equal(at, -1, `${what}: value ${at}: expected ${expected[at]}, found ${found[at]}`);
}

for (const type of ["Q8_0", "Q4_1"] as const) {
  test(`${type} has gguf-py's bytes`, () => {
    const bytes = quantiseBlocks(type, values);
    assert.deepEqual(bytes, recorded.readRaw(`${type}.raw`));
    assert.deepEqual(dequantize(type, bytes, values.length), recorded.readFloat32(`${type}.f32`));
  });

  test(`${type}'s own grid is packed without a change`, () => {
    const packed = packGrid(type, toBlockGrid(type, recorded.readRaw(`${type}.raw`), 1, values.length));
    // Values rather than bytes: codes mean nothing where a scale is zero, nor does a zero's sign.
    assertSameValues(dequantize(type, packed!, values.length), recorded.readFloat32(`${type}.f32`), type);
  });
}

test("bfloat16 has gguf-py's bytes, and NaN stays NaN", () => {
  const words = encodeBfloat16(values);
  assert.deepEqual(new Uint8Array(words.buffer), recorded.readRaw("BF16.raw"));
  const [quiet, low] = encodeBfloat16(new Float32Array(new Uint32Array([0x7fc00000, 0xff800001]).buffer));
  assert.equal(quiet, 0x7fc0);
  assert.ok((low! & 0x7fff) > 0x7f80);
});

const blocks = openSafetensors(fixture("ggml-quants.safetensors"));

test("a type that has another's grid takes its codes: Q4_0 in Q4_1 and Q8_0, Q5_0 in Q8_0", () => {
  for (const [from, to] of [
    ["Q4_0", "Q4_1"],
    ["Q4_0", "Q8_0"],
    ["Q5_0", "Q8_0"],
  ] as const) {
    const raw = blocks.readRaw(`${from}.raw`);
    const count = blocks.readFloat32(`${from}.f32`).length;
    const packed = packGrid(to, toBlockGrid(from, raw, 1, count));
    assert.ok(packed !== null, `${from} in ${to}`);
    assertSameValues(dequantize(to, packed, count), dequantize(from, raw, count), `${from} in ${to}`);
  }
});

test("a grid that a type cannot hold is not packed", () => {
  for (const [from, to] of [
    ["Q5_0", "Q4_1"],
    ["Q4_1", "Q8_0"],
    ["Q5_K", "Q8_0"],
  ] as const) {
    assert.ok(isGridType(from));
    const source = from === "Q5_K" ? openSafetensors(fixture("ggml-random-blocks.safetensors")) : blocks;
    const raw = source.readRaw(`${from}.raw`);
    const count = source.readFloat32(`${from}.f32`).length;
    assert.equal(packGrid(to, toBlockGrid(from, raw, 1, count)), null, `${from} in ${to}`);
  }
});

/** Squared error of each row of 256, over the squares of its values. */
function errorsOf(found: Float32Array): number[] {
  return Array.from({ length: values.length / 256 }, (_, row) => {
    let [error, squares] = [0, 0];
    for (let i = row * 256; i < (row + 1) * 256; i++) {
      error += (found[i]! - values[i]!) ** 2;
      squares += values[i]! ** 2;
    }
    return squares === 0 ? error : error / squares;
  });
}

test("Q4_K is about as close as Q4_1, with fewer bits, and exact where it can be", () => {
  const found = errorsOf(dequantize("Q4_K", quantiseBlocks("Q4_K", values), values.length));
  const reference = errorsOf(recorded.readFloat32("Q4_1.f32"));
  const normal = [0, 1, 2, 3];
  for (const row of normal) {
    assert.ok(found[row]! < 1.05 * reference[row]!, `row ${row}: ${found[row]} for ${reference[row]}`);
    assert.ok(found[row]! < 0.008, `row ${row}: ${found[row]}`);
  }
  // Zeros.
  assert.equal(found[5], 0);
});

test("Q4_K finds the grid that values are on", () => {
  const grid = Float32Array.from({ length: 256 }, (_, index) => {
    const group = index >> 5;
    const code = index % 32 < 16 ? index % 16 : 15 - (index % 16);
    // Scales and minimums are whole steps, up to 63, of powers of two.
    return (63 - 5 * group) * 2 ** -10 * code - (63 - group) * 2 ** -8;
  });
  assertSameValues(dequantize("Q4_K", quantiseBlocks("Q4_K", grid), 256), grid, "the grid");
});
