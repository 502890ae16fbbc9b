// Whether the vocabulary head that a file stores is its embedding once more, rounded otherwise: llama.cpp's converter stores
// a tied matrix twice, in two types. It compares values, and knows no file format.

import type { BaseTensor } from "./base-model.ts";
import { BLOCK_SIZE } from "./quantise-blocks.ts";

/** Rows that are compared, evenly spread. */
const ROWS = 512;

/** How much larger than rounding alone explains the difference may be. */
const MARGIN = 1.15;

/** Some rows as floats, and the sum of the squared errors that their rounding is expected to have made. */
interface Sample {
  readonly values: Float32Array;
  readonly roundingError: number;
}

/** The rounding error of a uniform grid with a step: step²/12 a value. */
const squaredError = (step: number): number => (BLOCK_SIZE * step * step) / 12;

function sample(tensor: BaseTensor, rows: readonly number[], columns: number): Sample {
  const values = new Float32Array(rows.length * columns);
  const perRow = columns / BLOCK_SIZE;
  const grid = tensor.readGrid?.() ?? null;
  const whole = grid === null ? tensor.readFloat32() : null;
  let roundingError = 0;
  rows.forEach((row, at) => {
    for (let block = 0; block < perRow; block++) {
      const from = row * columns + block * BLOCK_SIZE;
      const to = at * columns + block * BLOCK_SIZE;
      if (whole !== null) {
        const part = whole.subarray(from, from + BLOCK_SIZE);
        values.set(part, to);
        const largest = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        // Of a type without a grid only the bits are known.
        if (tensor.sourceBits !== null) roundingError += squaredError(largest / 2 ** (tensor.sourceBits - 1));
      } else if (grid !== null) {
        const scale = grid.scales[row * perRow + block]!;
        const min = grid.mins[row * perRow + block]!;
        for (let i = 0; i < BLOCK_SIZE; i++) values[to + i] = min + scale * grid.codes[from + i]!;
        roundingError += squaredError(scale);
      }
    }
  });
  return { values, roundingError };
}

/** Whether two matrices of one shape differ by no more than their rounding explains. Of floats, only equal ones do. */
export function areTwins(embedding: BaseTensor, head: BaseTensor): boolean {
  const [count = 0, columns = 0] = embedding.shape;
  if (head.shape[0] !== count || head.shape[1] !== columns || columns % BLOCK_SIZE !== 0) return false;
  const rows = Array.from({ length: Math.min(count, ROWS) }, (_, at) =>
    Math.floor((at * count) / Math.min(count, ROWS)),
  );

  const [a, b] = [sample(embedding, rows, columns), sample(head, rows, columns)];
  const difference = a.values.reduce((sum, value, at) => sum + (value - b.values[at]!) ** 2, 0);
  return difference <= (a.roundingError + b.roundingError) * MARGIN ** 2;
}

/** The one with more bits; floats have most. */
export function finer(embedding: BaseTensor, head: BaseTensor): BaseTensor {
  const bits = ({ sourceBits }: BaseTensor): number => sourceBits ?? Number.POSITIVE_INFINITY;
  return bits(head) > bits(embedding) ? head : embedding;
}
