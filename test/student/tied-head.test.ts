// A head that is the embedding again, rounded otherwise, and heads that are not.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BaseTensor } from "../../src/student/base-model.ts";
import { roundToAffine4, roundToSymmetric8 } from "../../src/student/quantise-blocks.ts";
import { areTwins, finer } from "../../src/student/tied-head.ts";
import type { BlockGrid } from "../../src/tensor/ggml-blocks.ts";
import { SeededRandom } from "../text/seeded-random.ts";

const [ROWS, COLUMNS] = [700, 64];
const random = new SeededRandom(11);
const matrix = (): Float32Array =>
  Float32Array.from({ length: ROWS * COLUMNS }, () => (random.below(20001) - 10000) / 10000);
const values = matrix();

const floats = (of: Float32Array): BaseTensor => ({
  shape: [ROWS, COLUMNS],
  sourceBits: null,
  readFloat32: () => of,
  readGrid: null,
});
const onGrid = (grid: BlockGrid): BaseTensor => ({
  shape: [ROWS, COLUMNS],
  sourceBits: grid.bits,
  readFloat32: () =>
    Float32Array.from(grid.codes, (code, at) => grid.mins[at >> 5]! + grid.scales[at >> 5]! * code),
  readGrid: () => grid,
});
/** A type of which only bits and values are known, such as Q6_K. */
const withoutGrid = (tensor: BaseTensor): BaseTensor => ({ ...tensor, readGrid: null });
const four = onGrid(roundToAffine4(values));
const eight = onGrid(roundToSymmetric8(values));

test("one matrix in two types, and in one type twice, is one", () => {
  assert.ok(areTwins(four, eight));
  assert.ok(areTwins(eight, four));
  assert.ok(areTwins(four, four));
  assert.ok(areTwins(withoutGrid(eight), four));
  assert.ok(areTwins(floats(values), floats(values)));
  assert.ok(areTwins(floats(values), eight));
});

test("another matrix, and a head that was trained further than rounding reaches, are not", () => {
  const trained = values.map((value) => value + (random.below(2001) - 1000) / 20000);
  assert.equal(areTwins(eight, onGrid(roundToSymmetric8(trained))), false);
  assert.equal(areTwins(eight, onGrid(roundToSymmetric8(matrix()))), false);
  assert.equal(areTwins(four, onGrid(roundToAffine4(matrix()))), false);
  assert.equal(areTwins(floats(values), floats(values.map((value) => value * 1.0001))), false);
  assert.equal(areTwins(four, { ...eight, shape: [ROWS - 1, COLUMNS] }), false);
});

test("the finer one is kept, the embedding where both are alike", () => {
  assert.equal(finer(four, eight), eight);
  assert.equal(finer(eight, four), eight);
  assert.equal(finer(eight, floats(values)).sourceBits, null);
  assert.equal(finer(four, onGrid(roundToAffine4(values))), four);
});
