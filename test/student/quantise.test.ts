import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BLOCK_SIZE,
  centred,
  centredAt,
  fitsFloat16,
  packCodes,
  roundToAffine4,
  roundToSymmetric8,
  unpackCodes,
} from "../../src/student/quantise-blocks.ts";
import type { BlockGrid } from "../../src/tensor/ggml-blocks.ts";
import { SeededRandom } from "../text/seeded-random.ts";

/** Bell-shaped values as weights have them. */
function weights(seed: number, count: number, spread: number): Float32Array {
  const random = new SeededRandom(seed);
  const uniform = () => (random.below(2 ** 24) + 0.5) / 2 ** 24;
  return Float32Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return spread * radius * Math.cos(2 * Math.PI * uniform());
  });
}

const valueAt = ({ codes, scales, mins }: BlockGrid, i: number): number => {
  const block = Math.floor(i / BLOCK_SIZE);
  return scales[block]! * codes[i]! + mins[block]!;
};

/** The values that products compute with: scale·(stored code − 2^(bits−1)) + min + centre·scale. */
function storedValues(grid: ReturnType<typeof centred>): number[] {
  const { bits, centre, symmetric } = grid;
  const packed = packCodes(grid);
  return Array.from({ length: grid.grid.codes.length }, (_, i) => {
    const stored = bits === 8 ? packed[i]! : (packed[i >> 1]! >> (4 * (i & 1))) & 15;
    const block = Math.floor(i / BLOCK_SIZE);
    const scale = grid.grid.scales[block]!;
    const offset = symmetric ? 0 : grid.grid.mins[block]! + centre * scale;
    return scale * (stored - 2 ** (bits - 1)) + offset;
  });
}

const blocksOf = (values: Float32Array): Float32Array[] =>
  Array.from({ length: values.length / BLOCK_SIZE }, (_, b) => values.subarray(32 * b, 32 * b + 32));

for (const spread of [1e-6, 0.02, 1, 1e4, 1e12]) {
  test(`8 bits are within half a step of the value, at a spread of ${spread}`, () => {
    const values = weights(1, 64 * BLOCK_SIZE, spread);
    const grid = roundToSymmetric8(values);
    blocksOf(values).forEach((part, block) => {
      const largest = Math.max(...part.map(Math.abs));
      // Half a step, and what a scale of 11 bits puts beside the last of 127 steps.
      const bound = (largest / 127) * (0.5 + 127 * 2 ** -11);
      part.forEach((value, i) => {
        const error = Math.abs(valueAt(grid, block * BLOCK_SIZE + i) - value);
        assert.ok(error <= bound, `block ${block}: ${error} > ${bound}`);
      });
    });
    assert.ok(centredAt(grid, 8, 128).symmetric);
  });

  test(`4 bits are within a step of the value and no worse than plain rounding, at a spread of ${spread}`, () => {
    const values = weights(2, 64 * BLOCK_SIZE, spread);
    const grid = roundToAffine4(values);
    let squared = 0;
    let plainSquared = 0;
    blocksOf(values).forEach((part, block) => {
      const [low, high] = [Math.min(...part), Math.max(...part)];
      const step = (high - low) / 15;
      part.forEach((value, i) => {
        const error = Math.abs(valueAt(grid, block * BLOCK_SIZE + i) - value);
        assert.ok(error <= step * 1.05, `block ${block}: ${error} > ${step}`);
        squared += error ** 2;
        plainSquared += (low + step * Math.round((value - low) / step) - value) ** 2;
      });
    });
    assert.ok(squared < 0.95 * plainSquared, `${squared} against ${plainSquared}`);
  });
}

test("scales are kept in 16 bits where they fit, in 32 where that would lose them", () => {
  assert.ok(fitsFloat16(roundToSymmetric8(weights(3, 320, 0.02)).scales));
  assert.ok(fitsFloat16(roundToAffine4(weights(3, 320, 0.02)).mins));
  assert.ok(!fitsFloat16(roundToSymmetric8(weights(3, 320, 1e-7)).scales));
  assert.ok(!fitsFloat16(roundToSymmetric8(weights(3, 320, 1e9)).scales));
});

test("blocks of zeros and of one value are themselves", () => {
  const zeros = new Float32Array(2 * BLOCK_SIZE);
  const constant = new Float32Array(2 * BLOCK_SIZE).fill(-0.7, 0, 32).fill(3, 32);
  for (const round of [roundToSymmetric8, roundToAffine4]) {
    const grid = round(zeros);
    assert.ok(zeros.every((_, i) => valueAt(grid, i) === 0));
  }
  const eight = roundToSymmetric8(constant);
  const four = roundToAffine4(constant);
  constant.forEach((value, i) => {
    assert.ok(Math.abs(valueAt(eight, i) - value) <= Math.abs(value) * 2 ** -10);
    assert.ok(Math.abs(valueAt(four, i) - value) <= Math.abs(value) * 2 ** -11);
  });
});

test("one outlier in a block and blocks of other sizes stay inside their range", () => {
  const values = weights(4, 4 * BLOCK_SIZE, 1e-3);
  values[5] = 100;
  values[40] = -60_000;
  values.fill(1e-9, 64, 96);
  for (const round of [roundToSymmetric8, roundToAffine4]) {
    const grid = round(values);
    for (const list of [grid.scales, grid.mins]) assert.ok(list.every(Number.isFinite));
    assert.ok(Math.abs(valueAt(grid, 5) - 100) < 0.2);
    assert.ok(Math.abs(valueAt(grid, 40) + 60_000) < 60);
    assert.ok(Math.abs(valueAt(grid, 70)) < 1e-7);
  }
});

/** Codes below `codes`, with scales and minimums of its own. */
function grid(bits: 4 | 8, codes: number, minOf: (scale: number) => number): BlockGrid {
  const random = new SeededRandom(codes);
  const scales = Float32Array.from({ length: 4 }, () => (1 + random.below(100)) / 1024);
  return {
    bits,
    codes: Uint8Array.from({ length: 4 * BLOCK_SIZE }, (_, i) => (i === 0 ? codes - 1 : random.below(codes))),
    scales,
    mins: scales.map(minOf),
  };
}

test("a grid's values survive packing exactly, at its own bits and in 8", () => {
  for (const [bits, codes, centre] of [
    [4, 16, 8],
    [8, 32, 16],
    [8, 256, 128],
  ] as const) {
    for (const wide of bits === 4 ? ([4, 8] as const) : ([8] as const)) {
      const symmetric = centred(
        grid(bits, codes, (scale) => -centre * scale),
        wide,
      );
      assert.deepEqual([symmetric.centre, symmetric.symmetric, symmetric.bits], [centre, true, wide]);
      const affine = centred(
        grid(bits, codes, (scale) => -3 * scale - 0.25),
        wide,
      );
      assert.deepEqual([affine.centre, affine.symmetric], [centre, false]);
      for (const one of [symmetric, affine]) {
        assert.deepEqual(
          storedValues(one),
          Array.from(one.grid.codes, (_, i) => valueAt(one.grid, i)),
        );
        if (one.symmetric) continue;
        const packed = new Uint8Array(packCodes(one));
        assert.deepEqual(unpackCodes(packed, wide, one.centre), one.grid.codes);
      }
    }
  }
});

test("4-bit codes lie two a byte, the earlier one low", () => {
  const codes = new Uint8Array(BLOCK_SIZE).map((_, i) => i % 16);
  const packed = packCodes(
    centred({ bits: 4, codes, scales: Float32Array.of(1), mins: Float32Array.of(0) }, 4),
  );
  assert.deepEqual([...packed.subarray(0, 3)], [0x10, 0x32, 0x54]);
  assert.equal(packed.length, 16);
});
