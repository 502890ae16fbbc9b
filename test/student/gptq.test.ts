// Against the textbook: columns are rounded in order, and after each the rest takes its error by the inverse of what is
// left of the inputs' second moments (Optimal Brain Quantization, Frantar and Alistarh 2022, equations 3 and 4).

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { errorFeedback, roundWithFeedback } from "../../src/student/gptq.ts";
import { MatrixProduct } from "../../src/student/matrix-product.ts";
import {
  BLOCK_SIZE,
  compensateAffine4,
  fitsFloat16,
  roundToAffine4,
} from "../../src/student/quantise-blocks.ts";
import { SeededRandom } from "../text/seeded-random.ts";

const product = await MatrixProduct.open(1);
after(() => product.close());

/** Even numbers from −1 to 1. */
function numbers(seed: number, count: number): Float32Array {
  const random = new SeededRandom(seed);
  return Float32Array.from({ length: count }, () => (random.below(20_001) - 10_000) / 10_000);
}

/** Xᵀ·X of inputs X [tokens, K] that go together: each is half what the one before is. */
function gramOf(seed: number, tokens: number, columns: number): Float64Array {
  const own = numbers(seed, tokens * columns);
  const gram = new Float64Array(columns * columns);
  for (let token = 0; token < tokens; token++) {
    const x = Float64Array.from(own.subarray(token * columns, (token + 1) * columns));
    for (let k = 1; k < columns; k++) x[k] = 0.7 * x[k - 1]! + x[k]!;
    for (let a = 0; a < columns; a++) {
      for (let b = 0; b < columns; b++) gram[a * columns + b]! += x[a]! * x[b]!;
    }
  }
  return gram;
}

/** tr((W − Q)·H·(W − Q)ᵀ): what the products' squared errors sum up to. */
function productError(weights: Float32Array, rounded: (i: number) => number, gram: Float64Array): number {
  const columns = Math.sqrt(gram.length);
  let sum = 0;
  for (let start = 0; start < weights.length; start += columns) {
    for (let a = 0; a < columns; a++) {
      for (let b = 0; b < columns; b++) {
        const [i, j] = [start + a, start + b];
        sum += (weights[i]! - rounded(i)) * gram[a * columns + b]! * (weights[j]! - rounded(j));
      }
    }
  }
  return sum;
}

function inverted(matrix: Float64Array): Float64Array {
  const size = Math.sqrt(matrix.length);
  const left = matrix.slice();
  const right = new Float64Array(size * size);
  for (let i = 0; i < size; i++) right[i * size + i] = 1;
  for (let pivot = 0; pivot < size; pivot++) {
    const by = left[pivot * size + pivot]!;
    for (const side of [left, right]) for (let c = 0; c < size; c++) side[pivot * size + c]! /= by;
    for (let row = 0; row < size; row++) {
      const factor = left[row * size + pivot]!;
      if (row === pivot) continue;
      for (const side of [left, right]) {
        for (let c = 0; c < size; c++) side[row * size + c]! -= factor * side[pivot * size + c]!;
      }
    }
  }
  return right;
}

/** The textbook, in float64: rounds one row to multiples of `scale`. */
function textbookCodes(weights: Float32Array, gram: Float64Array, scale: number, highest: number): number[] {
  const size = weights.length;
  const damped = gram.slice();
  let mean = 0;
  for (let i = 0; i < size; i++) mean += gram[i * size + i]! / size;
  for (let i = 0; i < size; i++) damped[i * size + i]! += 0.01 * mean;
  const inverse = inverted(damped);
  const left = Float64Array.from(weights);
  return Array.from(left, (_, q) => {
    const code = Math.max(-highest, Math.min(highest, Math.floor(left[q]! / scale + 0.5)));
    const diagonal = inverse[q * size + q]!;
    const error = (left[q]! - code * scale) / diagonal;
    for (let c = q + 1; c < size; c++) left[c]! -= error * inverse[q * size + c]!;
    // The column's row and column leave the inverse by Gaussian elimination.
    const column = Array.from({ length: size }, (_, r) => inverse[r * size + q]!);
    for (let r = 0; r < size; r++) {
      for (let c = 0; c < size; c++) inverse[r * size + c]! -= (column[r]! * column[c]!) / diagonal;
    }
    return code;
  });
}

for (const columns of [1, 7, 32, 45, 96]) {
  test(`rows of ${columns} columns get the textbook's codes`, async () => {
    const rows = 12;
    const weights = numbers(columns, rows * columns);
    const gram = gramOf(columns + 1, 3 * columns, columns);
    const scale = 0.11;
    const codes = new Int8Array(weights.length);
    const lines = { width: columns, lowest: -7, highest: 7, codes, gridOf: () => ({ scale, min: 0 }) };
    await roundWithFeedback(weights, await errorFeedback(gram, columns, product), lines, product);
    for (let row = 0; row < rows; row++) {
      const own = weights.subarray(row * columns, (row + 1) * columns);
      assert.deepEqual(
        [...codes.subarray(row * columns, (row + 1) * columns)],
        textbookCodes(own, gram, scale, 7),
        `row ${row}`,
      );
    }
  });
}

test("inputs that do not go together change nothing", async () => {
  const weights = numbers(1, 8 * 64);
  const gram = new Float64Array(64 * 64);
  // Equal within a block: what an error costs decides where its line lies.
  for (let k = 0; k < 64; k++) gram[k * 64 + k] = 1 + Math.floor(k / BLOCK_SIZE);
  const plain = roundToAffine4(weights);
  const compensated = await compensateAffine4(weights, await errorFeedback(gram, 64, product), product);
  const differing = plain.codes.filter((code, i) => code !== compensated.codes[i]).length;
  assert.ok(differing <= 4, `${differing} codes differ`);
});

test("products are nearer over inputs that are fewer than there are columns, and there may be none", async () => {
  const columns = 160;
  for (const tokens of [60, 0]) {
    const gram = gramOf(3, tokens, columns);
    const weights = numbers(4, 24 * columns);
    const plain = roundToAffine4(weights);
    const compensated = await compensateAffine4(
      weights,
      await errorFeedback(gram, columns, product),
      product,
    );
    const errorOf = ({ codes, scales, mins }: typeof plain): number =>
      productError(weights, (i) => scales[i >> 5]! * codes[i]! + mins[i >> 5]!, gram);
    if (tokens === 0) assert.equal(errorOf(compensated), 0);
    else assert.ok(errorOf(compensated) < 0.6 * errorOf(plain), `${errorOf(compensated)}, ${errorOf(plain)}`);
  }
});

for (const spread of [1e-7, 0.02, 1e9]) {
  test(`products over compensated 4-bit blocks are nearer, at a spread of ${spread}`, async () => {
    const columns = 5 * BLOCK_SIZE;
    const gram = gramOf(5, 400, columns);
    const weights = numbers(6, 24 * columns).map((value) => spread * value);
    const plain = roundToAffine4(weights);
    const compensated = await compensateAffine4(
      weights,
      await errorFeedback(gram, columns, product),
      product,
    );
    assert.equal(fitsFloat16(compensated.scales), spread === 0.02);
    assert.equal(fitsFloat16(compensated.mins), spread === 0.02);
    const errorOf = ({ codes, scales, mins }: typeof plain): number =>
      productError(weights, (i) => scales[i >> 5]! * codes[i]! + mins[i >> 5]!, gram);
    assert.ok(compensated.codes.every((code) => code < 16));
    assert.ok(errorOf(compensated) < 0.6 * errorOf(plain), `${errorOf(compensated)}, ${errorOf(plain)}`);
  });
}

test("zeros and constants stay what they are", async () => {
  const gram = gramOf(7, 100, 64);
  const weights = new Float32Array(2 * 64).fill(-0.75, 64);
  const { codes, scales, mins } = await compensateAffine4(
    weights,
    await errorFeedback(gram, 64, product),
    product,
  );
  weights.forEach((value, i) => {
    assert.ok(Math.abs(scales[i >> 5]! * codes[i]! + mins[i >> 5]! - value) <= 1e-6, `${i}`);
  });
});
