// Weights in blocks of 32: rounding floats onto a grid, and a grid's codes as ONNX Runtime's MatMulNBits reads them.
// It knows no files and no graph.

import type { BlockGrid } from "../tensor/ggml-blocks.ts";
import { decodeFloat16, encodeFloat16 } from "../tensor/half.ts";

export const BLOCK_SIZE = 32;

const LARGEST_FLOAT16 = 65504;
const SMALLEST_NORMAL_FLOAT16 = 2 ** -14;

/** The nearest float16s, as float32: scales are stored in 16 bits, so codes are chosen for the rounded ones. A tensor
 * whose numbers are all too small for float16, or one too large, keeps its float32s. */
function storable(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const largest = values.reduce((worst, value) => Math.max(worst, Math.abs(value)), 0);
  const fits = largest === 0 || (largest >= SMALLEST_NORMAL_FLOAT16 && largest <= LARGEST_FLOAT16);
  return fits ? halves(values) : values;
}

function halves(values: Float32Array): Float32Array<ArrayBuffer> {
  return decodeFloat16(new Uint8Array(encodeFloat16(values).buffer));
}

/** w [rows·columns] → 8-bit codes around 128, scale = largest magnitude / 127. */
export function roundToSymmetric8(values: Float32Array): BlockGrid {
  const blocks = values.length / BLOCK_SIZE;
  const wanted = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    let largest = 0;
    for (let i = block * BLOCK_SIZE; i < (block + 1) * BLOCK_SIZE; i++) {
      largest = Math.max(largest, Math.abs(values[i]!));
    }
    wanted[block] = largest / 127;
  }
  const scales = storable(wanted);
  const codes = new Uint8Array(values.length);
  const mins = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const scale = scales[block]!;
    mins[block] = -128 * scale;
    for (let i = block * BLOCK_SIZE; i < (block + 1) * BLOCK_SIZE; i++) {
      codes[i] = scale === 0 ? 128 : Math.min(255, Math.max(0, Math.round(values[i]! / scale) + 128));
    }
  }
  return { bits: 8, codes, scales, mins };
}

/** Passes of least squares after the first rounding: codes for a line, then the line for the codes. */
const REFINEMENTS = 3;

/** The codes of one block's values, from `start`, for the line min + scale·code. */
function assignCodes(
  values: Float32Array,
  codes: Uint8Array,
  start: number,
  scale: number,
  min: number,
): void {
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let i = start; i < start + BLOCK_SIZE; i++) {
    const code = Math.floor((values[i]! - min) * inverse + 0.5);
    codes[i] = Math.max(0, Math.min(15, code));
  }
}

/** w [rows·columns] → 4-bit codes with a float minimum a block, refined by least squares. */
export function roundToAffine4(values: Float32Array): BlockGrid {
  const blocks = values.length / BLOCK_SIZE;
  const codes = new Uint8Array(values.length);
  const wantedScales = new Float32Array(blocks);
  const wantedMins = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const start = block * BLOCK_SIZE;
    let min = values[start]!;
    let max = min;
    let sumValue = 0;
    for (let i = start; i < start + BLOCK_SIZE; i++) {
      const value = values[i]!;
      if (value < min) min = value;
      if (value > max) max = value;
      sumValue += value;
    }
    let scale = (max - min) / 15;
    for (let pass = 0; pass < REFINEMENTS && scale > 0; pass++) {
      assignCodes(values, codes, start, scale, min);
      let sumCode = 0;
      let sumCodeCode = 0;
      let sumCodeValue = 0;
      for (let i = start; i < start + BLOCK_SIZE; i++) {
        const code = codes[i]!;
        sumCode += code;
        sumCodeCode += code * code;
        sumCodeValue += code * values[i]!;
      }
      const determinant = BLOCK_SIZE * sumCodeCode - sumCode * sumCode;
      if (determinant === 0) break;
      scale = (BLOCK_SIZE * sumCodeValue - sumCode * sumValue) / determinant;
      min = (sumValue - scale * sumCode) / BLOCK_SIZE;
    }
    wantedScales[block] = scale;
    wantedMins[block] = min;
  }
  const scales = storable(wantedScales);
  const mins = storable(wantedMins);
  for (let block = 0; block < blocks; block++) {
    assignCodes(values, codes, block * BLOCK_SIZE, scales[block]!, mins[block]!);
  }
  return { bits: 4, codes, scales, mins };
}

/** Processors without VNNI add the products of two neighbouring columns up in 16 bits. With uint8 on the other side
 * that holds as long as 255 times the codes of one sign stays below 2¹⁵. */
const LARGEST_PAIR_SUM = 128;
const LARGEST_ROW_CODE = 127;

/** Of the scale at which every code of a row fits: what is cut off at smaller ones may cost less than coarser codes. */
const SCALE_SHARES = [1, 0.93, 0.87, 0.8, 0.74];

/** A weight whose rows have a scale each. */
export interface RowCodes {
  /** int8 [rows, columns] */
  readonly codes: Int8Array;
  /** [rows] */
  readonly scales: Float32Array;
}

/** w [rows, K] → codes of which neighbours, the columns 2i and 2i + 1, sum to at most ±128, on the scale that leaves the
 * smallest squared error. K is even. */
export function roundRows(values: Float32Array, rows: number): RowCodes {
  const columns = values.length / rows;
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(rows);
  const tried = new Int8Array(columns);
  for (let row = 0; row < rows; row++) {
    const of = values.subarray(row * columns, (row + 1) * columns);
    const fitting = fittingScale(of);
    let least = Number.POSITIVE_INFINITY;
    for (const share of fitting > 0 ? SCALE_SHARES : []) {
      const scale = Math.fround(fitting * share);
      const error = roundPairs(of, scale, tried);
      if (error >= least) continue;
      least = error;
      scales[row] = scale;
      codes.set(tried, row * columns);
    }
  }
  return { codes, scales };
}

/** The least scale at which no code of the row, and no sum of two neighbours, is too large. */
function fittingScale(row: Float32Array): number {
  let scale = 0;
  for (let i = 0; i < row.length; i += 2) {
    const [a, b] = [row[i]!, row[i + 1]!];
    scale = Math.max(
      scale,
      Math.max(Math.abs(a), Math.abs(b)) / LARGEST_ROW_CODE,
      Math.abs(a + b) / LARGEST_PAIR_SUM,
    );
  }
  return scale;
}

/** Writes the row's codes; of neighbours that are too large together each gives half. Returns the squared error. */
function roundPairs(row: Float32Array, scale: number, codes: Int8Array): number {
  let error = 0;
  for (let i = 0; i < row.length; i += 2) {
    let a = nearestCode(row[i]! / scale);
    let b = nearestCode(row[i + 1]! / scale);
    const excess = Math.abs(a + b) - LARGEST_PAIR_SUM;
    if (excess > 0) {
      const sign = Math.sign(a + b);
      a -= sign * Math.ceil(excess / 2);
      b -= sign * Math.floor(excess / 2);
    }
    codes[i] = a;
    codes[i + 1] = b;
    error += (row[i]! - scale * a) ** 2 + (row[i + 1]! - scale * b) ** 2;
  }
  return error;
}

const nearestCode = (quotient: number): number =>
  Math.max(-LARGEST_ROW_CODE, Math.min(LARGEST_ROW_CODE, Math.round(quotient)));

/** [rows, columns] → [columns, rows] */
export function transposed(codes: Int8Array, rows: number): Int8Array {
  const columns = codes.length / rows;
  const result = new Int8Array(codes.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      result[column * rows + row] = codes[row * columns + column]!;
  }
  return result;
}

/** A grid as products take it: its code `centre` is stored as 2^(bits−1), which is zero to them, so that the integers
 * that they multiply are small. */
export interface CentredGrid {
  readonly grid: BlockGrid;
  /** Of a stored code; 8 also hold a grid of fewer. */
  readonly bits: 4 | 8;
  readonly centre: number;
  /** Whether every block's minimum is −centre·scale, so that scales alone say everything. */
  readonly symmetric: boolean;
}

/** Centres a grid on the middle of its type's codes, which are 16, 32 or 256. `bits` is at least the grid's. */
export function centred(grid: BlockGrid, bits: 4 | 8): CentredGrid {
  const fiveBits = grid.codes.every((code) => code < 32);
  return centredAt(grid, bits, grid.bits === 4 ? 8 : fiveBits ? 16 : 128);
}

export function centredAt(grid: BlockGrid, bits: 4 | 8, centre: number): CentredGrid {
  const symmetric = grid.mins.every((min, block) => min === -centre * grid.scales[block]!);
  return { grid, bits, centre, symmetric };
}

/** Codes one a byte [N·K] → MatMulNBits' bytes [N, K/32, 32·bits/8]: 4-bit codes two a byte, the earlier one low. */
export function packCodes({ grid, bits, centre }: CentredGrid): Uint8Array {
  const shift = 2 ** (bits - 1) - centre;
  if (bits === 8) return shift === 0 ? grid.codes : grid.codes.map((code) => code + shift);
  const packed = new Uint8Array(grid.codes.length / 2);
  for (let i = 0; i < packed.length; i++) packed[i] = grid.codes[2 * i]! | (grid.codes[2 * i + 1]! << 4);
  return packed;
}

/** The inverse for 4 bits around 8: [N·K/2] → codes one a byte [N·K]. */
export function unpackCodes4(packed: Uint8Array): Uint8Array<ArrayBuffer> {
  const codes = new Uint8Array(2 * packed.length);
  packed.forEach((pair, i) => {
    codes[2 * i] = pair & 15;
    codes[2 * i + 1] = pair >> 4;
  });
  return codes;
}

/** Whether float16 holds every one of the values exactly. */
export function fitsFloat16(values: Float32Array): boolean {
  const rounded = halves(values);
  return values.every((value, i) => value === rounded[i]);
}
