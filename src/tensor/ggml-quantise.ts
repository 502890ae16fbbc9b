// Quantisation to ggml's blocks of 32 as llama.cpp's reference does it (ggml-quants.c, quantize_row_*_ref): float32
// arithmetic, the same bytes.

import type { BlockGrid } from "./ggml-blocks.ts";
import { quantiseQ4_K } from "./ggml-quantise-k.ts";
import { encodeFloat16 } from "./half.ts";
import { typeLayout } from "./stored-type.ts";

/** The types that floats can be quantised to. */
export const QUANTISED_TYPES = ["Q8_0", "Q4_1", "Q4_K"] as const;
export type QuantisedType = (typeof QUANTISED_TYPES)[number];

const BLOCK = 32;
const fround = Math.fround;
const half = new Float32Array(1);

/**
 * values [n] → the bytes of its blocks. Values are finite, and a row's length is a multiple of the type's block.
 *
 * Q8_0: d = max |x| / 127, code = round(x / d). Q4_1: d = (max − min) / 15, code = ⌊(x − min) / d + ½⌋. Q4_K: see
 * ggml-quantise-k.ts.
 */
export function quantiseBlocks(type: QuantisedType, values: Float32Array): Uint8Array<ArrayBuffer> {
  if (type === "Q4_K") return quantiseQ4_K(values);
  const { blockBytes } = typeLayout(type);
  const bytes = new Uint8Array((values.length / BLOCK) * blockBytes);
  const quantise = type === "Q8_0" ? quantiseQ8_0 : quantiseQ4_1;
  for (let block = 0; block * BLOCK < values.length; block++) {
    quantise(values.subarray(block * BLOCK, (block + 1) * BLOCK), bytes, block * blockBytes);
  }
  return bytes;
}

function quantiseQ8_0(values: Float32Array, bytes: Uint8Array, at: number): void {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  const scale = fround(largest / 127);
  const inverse = scale === 0 ? 0 : fround(1 / scale);
  putFloat16(scale, bytes, at);
  for (let i = 0; i < BLOCK; i++) {
    const code = fround(values[i]! * inverse);
    // To nearest, halves away from zero.
    bytes[at + 2 + i] = Math.sign(code) * Math.floor(Math.abs(code) + 0.5);
  }
}

function quantiseQ4_1(values: Float32Array, bytes: Uint8Array, at: number): void {
  let least = values[0]!;
  let most = values[0]!;
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const scale = fround(fround(most - least) / 15);
  const inverse = scale === 0 ? 0 : fround(1 / scale);
  putFloat16(scale, bytes, at);
  putFloat16(least, bytes, at + 2);
  const codeOf = (value: number): number =>
    Math.min(15, Math.trunc(fround(fround(fround(value - least) * inverse) + 0.5)));
  for (let i = 0; i < BLOCK / 2; i++) {
    bytes[at + 4 + i] = codeOf(values[i]!) | (codeOf(values[BLOCK / 2 + i]!) << 4);
  }
}

function putFloat16(value: number, bytes: Uint8Array, at: number): void {
  half[0] = value;
  const word = encodeFloat16(half)[0]!;
  bytes[at] = word & 255;
  bytes[at + 1] = word >> 8;
}

/**
 * Values that are on a grid already, in their own codes: in Q4_1 those of 4 bits, in Q8_0 those around a code that means
 * zero. Scales and minimums are rounded to float16, which is what they are in ggml's files. Null for grids that the type
 * cannot hold.
 */
export function packGrid(type: QuantisedType, grid: BlockGrid): Uint8Array<ArrayBuffer> | null {
  const { bits, codes, scales, mins } = grid;
  const { blockBytes } = typeLayout(type);
  const bytes = new Uint8Array(scales.length * blockBytes);
  if (type === "Q4_K" || (type === "Q4_1" && bits !== 4)) return null;
  for (let block = 0; block < scales.length; block++) {
    const scale = scales[block]!;
    const min = mins[block]!;
    const at = block * blockBytes;
    const first = block * BLOCK;
    putFloat16(scale, bytes, at);
    if (type === "Q4_1") {
      putFloat16(min, bytes, at + 2);
      for (let i = 0; i < BLOCK / 2; i++) {
        bytes[at + 4 + i] = codes[first + i]! | (codes[first + BLOCK / 2 + i]! << 4);
      }
      continue;
    }
    if (scale === 0 && min === 0) continue;
    const zero = -min / scale;
    if (!Number.isInteger(zero) || zero < 0 || zero > 128) return null;
    for (let i = 0; i < BLOCK; i++) {
      const code = codes[first + i]! - zero;
      if (code > 127) return null;
      bytes[at + 2 + i] = code;
    }
  }
  return bytes;
}
