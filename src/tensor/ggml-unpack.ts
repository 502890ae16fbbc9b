// The bit layouts of ggml's blocks, as llama.cpp's ggml-quants.c defines them: where scales, minimums and codes lie.

import { FLOAT16_VALUES } from "./half.ts";

/** The ggml types whose values lie on one affine grid per 32: value = scale * code + min. */
export type GridType = "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "Q8_0" | "Q4_K" | "Q5_K";

/** The grid of n values: codes [n], one to a byte, and a scale and a min for each 32. */
export interface Grid {
  readonly codes: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
  readonly mins: Float32Array<ArrayBuffer>;
}

/** Unpacks the block at bytes[from] into the grid, its first value becoming number `first`. */
type Unpack = (bytes: Uint8Array, from: number, grid: Grid, first: number) => void;

interface GridLayout {
  readonly bits: 4 | 8;
  /** The code that means zero, where the type has no min of its own; then min = -zeroCode * scale. */
  readonly zeroCode: number | null;
  readonly unpack: Unpack;
}

export const GRID_LAYOUTS: Readonly<Record<GridType, GridLayout>> = {
  Q4_0: { bits: 4, zeroCode: 8, unpack: unpackQ4_0 },
  Q4_1: { bits: 4, zeroCode: null, unpack: unpackQ4_1 },
  Q5_0: { bits: 8, zeroCode: 16, unpack: unpackQ5_0 },
  Q5_1: { bits: 8, zeroCode: null, unpack: unpackQ5_1 },
  Q8_0: { bits: 8, zeroCode: 128, unpack: unpackQ8_0 },
  Q4_K: { bits: 4, zeroCode: null, unpack: unpackQ4_K },
  Q5_K: { bits: 8, zeroCode: null, unpack: unpackQ5_K },
};

function float16At(bytes: Uint8Array, at: number): number {
  return FLOAT16_VALUES[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

/** 16 bytes hold 32 codes: the low halves are the first 16, the high halves the last 16. */
function unpackNibbles(bytes: Uint8Array, from: number, codes: Uint8Array, first: number): void {
  for (let i = 0; i < 16; i++) {
    const pair = bytes[from + i]!;
    codes[first + i] = pair & 15;
    codes[first + 16 + i] = pair >> 4;
  }
}

/** 4 bytes hold the fifth bits of 32 codes, the first code's in the lowest bit. */
function addFifthBits(bytes: Uint8Array, from: number, codes: Uint8Array, first: number): void {
  for (let i = 0; i < 32; i++) {
    codes[first + i]! |= ((bytes[from + (i >> 3)]! >> (i & 7)) & 1) << 4;
  }
}

function unpackQ4_0(bytes: Uint8Array, from: number, grid: Grid, first: number): void {
  const scale = float16At(bytes, from);
  grid.scales[first >> 5] = scale;
  grid.mins[first >> 5] = -8 * scale;
  unpackNibbles(bytes, from + 2, grid.codes, first);
}

function unpackQ4_1(bytes: Uint8Array, from: number, grid: Grid, first: number): void {
  grid.scales[first >> 5] = float16At(bytes, from);
  grid.mins[first >> 5] = float16At(bytes, from + 2);
  unpackNibbles(bytes, from + 4, grid.codes, first);
}

function unpackQ5_0(bytes: Uint8Array, from: number, grid: Grid, first: number): void {
  const scale = float16At(bytes, from);
  grid.scales[first >> 5] = scale;
  grid.mins[first >> 5] = -16 * scale;
  unpackNibbles(bytes, from + 6, grid.codes, first);
  addFifthBits(bytes, from + 2, grid.codes, first);
}

function unpackQ5_1(bytes: Uint8Array, from: number, grid: Grid, first: number): void {
  grid.scales[first >> 5] = float16At(bytes, from);
  grid.mins[first >> 5] = float16At(bytes, from + 2);
  unpackNibbles(bytes, from + 8, grid.codes, first);
  addFifthBits(bytes, from + 4, grid.codes, first);
}

function unpackQ8_0(bytes: Uint8Array, from: number, grid: Grid, first: number): void {
  const scale = float16At(bytes, from);
  grid.scales[first >> 5] = scale;
  grid.mins[first >> 5] = -128 * scale;
  // A signed byte + 128 is the byte with its top bit flipped.
  for (let i = 0; i < 32; i++) grid.codes[first + i] = bytes[from + 2 + i]! ^ 128;
}

/**
 * The eight 6-bit scales and mins of a K block, times its own two factors. Bytes 0-3 and 4-7 hold the first four
 * scales and mins; the last four have their low halves in bytes 8-11 and their top bits above the first four's.
 */
function unpackScalesAndMins(bytes: Uint8Array, from: number, grid: Grid, first: number): void {
  const scale = float16At(bytes, from);
  const min = float16At(bytes, from + 2);
  const at = from + 4;
  const group = first >> 5;
  for (let i = 0; i < 4; i++) {
    const scaleByte = bytes[at + i]!;
    const minByte = bytes[at + 4 + i]!;
    const lowHalves = bytes[at + 8 + i]!;
    grid.scales[group + i] = scale * (scaleByte & 63);
    grid.mins[group + i] = -min * (minByte & 63);
    grid.scales[group + 4 + i] = scale * ((lowHalves & 15) | ((scaleByte >> 6) << 4));
    grid.mins[group + 4 + i] = -min * ((lowHalves >> 4) | ((minByte >> 6) << 4));
  }
}

/** 128 bytes hold 256 codes: of each 32 bytes the low halves are 32 codes, the high halves the next 32. */
function unpackLongNibbles(bytes: Uint8Array, from: number, codes: Uint8Array, first: number): void {
  for (let i = 0; i < 128; i++) {
    const pair = bytes[from + i]!;
    const code = first + ((i & ~31) << 1) + (i & 31);
    codes[code] = pair & 15;
    codes[code + 32] = pair >> 4;
  }
}

function unpackQ4_K(bytes: Uint8Array, from: number, grid: Grid, first: number): void {
  unpackScalesAndMins(bytes, from, grid, first);
  unpackLongNibbles(bytes, from + 16, grid.codes, first);
}

function unpackQ5_K(bytes: Uint8Array, from: number, grid: Grid, first: number): void {
  unpackScalesAndMins(bytes, from, grid, first);
  unpackLongNibbles(bytes, from + 48, grid.codes, first);
  // Bit g of byte i is the fifth bit of code i in group g.
  for (let i = 0; i < 256; i++) {
    grid.codes[first + i]! |= ((bytes[from + 16 + (i & 31)]! >> (i >> 5)) & 1) << 4;
  }
}

/**
 * A Q6_K block at bytes[from] → 256 values: 128 bytes of low halves, 64 of top bit pairs, 16 signed scales for 16
 * values each, and the factor of them all.
 */
export function dequantizeQ6_K(bytes: Uint8Array, from: number, values: Float32Array, first: number): void {
  const factor = float16At(bytes, from + 208);
  for (let i = 0; i < 256; i++) {
    // Each half of 128 values has 64 bytes of low halves and 32 of bit pairs, in four runs of 32 values.
    const half = i >> 7;
    const run = (i >> 5) & 3;
    const within = i & 31;
    const low = (bytes[from + 64 * half + 32 * (run & 1) + within]! >> (4 * (run >> 1))) & 15;
    const top = (bytes[from + 128 + 32 * half + within]! >> (2 * run)) & 3;
    const scale = (bytes[from + 192 + (i >> 4)]! << 24) >> 24;
    values[first + i] = factor * scale * ((low | (top << 4)) - 32);
  }
}
