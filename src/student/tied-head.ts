// Whether the vocabulary head that a file stores is its embedding once more: the same values, or rounded otherwise as
// llama.cpp's converter stores a tied matrix, in two types. It compares values, and knows no file format.

import { isDeepStrictEqual } from "node:util";
import type { TensorFile } from "../tensor/tensor-file.ts";
import type { BaseTensor } from "./base-model.ts";
import { BLOCK_SIZE } from "./quantise-blocks.ts";

export const EMBEDDING = "model.embed_tokens.weight";
export const HEAD = "lm_head.weight";

/** What serves as embedding and head of a file. */
export interface Heads {
  /** Whether one matrix serves as both. */
  readonly tied: boolean;
  /** The stored tensor that is the embedding. */
  readonly embedding: string;
  readonly notes: readonly string[];
}

/**
 * The rule of Transformers 5 where a configuration ties the head to the embedding: a head of other values is kept, and a
 * head without an embedding serves as both.
 */
export function headsOf(file: TensorFile): Heads {
  const [embedding, head] = [file.entries.get(EMBEDDING), file.entries.get(HEAD)];
  if (head === undefined) return { tied: true, embedding: EMBEDDING, notes: [] };
  if (embedding === undefined) {
    const note = `The file stores the matrix that is embedding and vocabulary head as ${HEAD} alone; it serves as both.`;
    return { tied: true, embedding: HEAD, notes: [note] };
  }
  if (isDeepStrictEqual(embedding.shape, head.shape) && haveSameValues(file, embedding.type === head.type)) {
    return { tied: true, embedding: EMBEDDING, notes: [] };
  }
  const note = `config.json ties the vocabulary head to the embedding, but the file stores a ${HEAD} that differs from it; both are kept, as Transformers does.`;
  return { tied: false, embedding: EMBEDDING, notes: [note] };
}

function haveSameValues(file: TensorFile, isOneType: boolean): boolean {
  if (isOneType) return Buffer.compare(file.readRaw(EMBEDDING), file.readRaw(HEAD)) === 0;
  const [embedding, head] = [file.readFloat32(EMBEDDING), file.readFloat32(HEAD)];
  return embedding.every((value, at) => value === head[at]);
}

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
