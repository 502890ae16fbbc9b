// Quantisation held to gguf-py's, bit for bit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dequantize, isGridType, toBlockGrid } from "../../src/tensor/ggml-blocks.ts";
import { packGrid, QUANTISED_TYPES, quantiseBlocks } from "../../src/tensor/ggml-quantise.ts";
import { encodeBfloat16 } from "../../src/tensor/half.ts";
import { openSafetensors } from "../../src/tensor/safetensors.ts";
import { fixture } from "../support/scratch-folder.ts";

const recorded = openSafetensors(fixture("ggml-quantised.safetensors"));
const values = recorded.readFloat32("values");

function assertSameValues(found: Float32Array, expected: Float32Array, what: string): void {
  const at = expected.findIndex((value, index) => value !== found[index]);
  assert.equal(at, -1, `${what}: value ${at}: expected ${expected[at]}, found ${found[at]}`);
}

for (const type of QUANTISED_TYPES) {
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
