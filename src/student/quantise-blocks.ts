// Quantisation in blocks of 32: rounding floats to 4 or 8-bit codes, and codes in the layout of ONNX Runtime's
// MatMulNBits.

import type { BlockGrid } from "../tensor/ggml-blocks.ts";
import { decodeFloat16, encodeFloat16, nearestFloat16 } from "../tensor/half.ts";
import { type ErrorFeedback, type Grid, type Rounding, roundWithFeedback } from "./gptq.ts";
import type { MatrixProduct } from "./matrix-product.ts";

export const BLOCK_SIZE = 32;

const LARGEST_FLOAT16 = 65504;
const SMALLEST_NORMAL_FLOAT16 = 2 ** -14;

/** The nearest float16s, as float32: scales are stored as float16, so codes must be chosen for the rounded ones. If
 * they are all below float16's normal range, or one is too large, they stay float32. */
function storable(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const largest = values.reduce((worst, value) => Math.max(worst, Math.abs(value)), 0);
  const fits = largest === 0 || (largest >= SMALLEST_NORMAL_FLOAT16 && largest <= LARGEST_FLOAT16);
  return fits ? asFloat16(values) : values;
}

function asFloat16(values: Float32Array): Float32Array<ArrayBuffer> {
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

/** Least squares passes after the first rounding: codes for a grid, then a grid for the codes. */
const REFINEMENTS = 3;

const LARGEST_CODE4 = 15;

/** Shares of the values' range to start from: a narrower grid clips the extremes but is finer for the others. */
const FIRST_SPANS = [1, 0.9, 0.8];

/** The grid min + scale·code for 4-bit codes of a block's values, by least squares of their errors weighted by `costs`. */
export function fitGrid4(values: Float32Array, costs: Float32Array): Grid {
  let low = values[0]!;
  let high = low;
  for (let i = 1; i < BLOCK_SIZE; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  let best = { scale: 0, min: low };
  let least = Number.POSITIVE_INFINITY;
  for (const span of FIRST_SPANS) {
    let scale = (span * (high - low)) / LARGEST_CODE4;
    let min = (low + high - span * (high - low)) / 2;
    for (let pass = 0; scale > 0; pass++) {
      const inverse = 1 / scale;
      let error = 0;
      let weight = 0;
      let code1 = 0;
      let code2 = 0;
      let value1 = 0;
      let product = 0;
      for (let i = 0; i < BLOCK_SIZE; i++) {
        const value = values[i]!;
        const cost = costs[i]!;
        const code = Math.max(0, Math.min(LARGEST_CODE4, Math.floor((value - min) * inverse + 0.5)));
        const off = value - min - scale * code;
        error += cost * off * off;
        weight += cost;
        code1 += cost * code;
        code2 += cost * code * code;
        value1 += cost * value;
        product += cost * code * value;
      }
      if (error < least) {
        least = error;
        best = { scale, min };
      }
      const determinant = weight * code2 - code1 * code1;
      if (pass === REFINEMENTS || !(determinant > 0)) break;
      scale = (weight * product - code1 * value1) / determinant;
      min = (value1 - scale * code1) / weight;
    }
  }
  return best;
}

const EQUAL_COSTS = new Float32Array(BLOCK_SIZE).fill(1);

/** w [rows·columns] → 4-bit codes with a float minimum for each block, by least squares. */
export function roundToAffine4(values: Float32Array): BlockGrid {
  const blocks = values.length / BLOCK_SIZE;
  const wantedScales = new Float32Array(blocks);
  const wantedMins = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const grid = fitGrid4(values.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE), EQUAL_COSTS);
    wantedScales[block] = grid.scale;
    wantedMins[block] = grid.min;
  }
  const scales = storable(wantedScales);
  const mins = storable(wantedMins);
  const codes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const block = Math.floor(i / BLOCK_SIZE);
    const inverse = scales[block] === 0 ? 0 : 1 / scales[block]!;
    const code = Math.floor((values[i]! - mins[block]!) * inverse + 0.5);
    codes[i] = Math.max(0, Math.min(LARGEST_CODE4, code));
  }
  return { bits: 4, codes, scales, mins };
}

/** The same for w [rows, K] with GPTQ. */
export async function compensateAffine4(
  values: Float32Array,
  feedback: ErrorFeedback,
  product: MatrixProduct,
): Promise<BlockGrid> {
  const blocks = values.length / BLOCK_SIZE;
  const perRow = feedback.columns / BLOCK_SIZE;
  // Scales and minimums in float16 if those of plain rounding are.
  const plain = roundToAffine4(values);
  const roundingOf = (stored: Float32Array) => (fitsFloat16(stored) ? nearestFloat16 : Math.fround);
  const [roundScale, roundMin] = [roundingOf(plain.scales), roundingOf(plain.mins)];
  const scales = new Float32Array(blocks);
  const mins = new Float32Array(blocks);
  const codes = new Uint8Array(values.length);
  const rounding: Rounding = {
    width: BLOCK_SIZE,
    lowest: 0,
    highest: LARGEST_CODE4,
    codes,
    gridOf: (row, block, current, costs) => {
      const fitted = fitGrid4(current, costs);
      const grid = { scale: roundScale(fitted.scale), min: roundMin(fitted.min) };
      scales[row * perRow + block] = grid.scale;
      mins[row * perRow + block] = grid.min;
      return grid;
    },
  };
  await roundWithFeedback(values, feedback, rounding, product);
  return { bits: 4, codes, scales, mins };
}

/** A tensor's codes as MatMulNBits takes them: code `centre` is stored as 2^(bits−1), the operator's zero point, so
 * that the integers it multiplies are small. */
export interface CentredGrid {
  readonly grid: BlockGrid;
  /** Bits of a stored code; 8 also for grids of fewer bits. */
  readonly bits: 4 | 8;
  readonly centre: number;
  /** Whether every block's minimum is −centre·scale, so that no minimums need storing. */
  readonly symmetric: boolean;
}

/** The middle code by bits; 5-bit codes are stored in 8. */
const CENTRES = { 4: 8, 5: 16, 8: 128 } as const;

/** What is added to a code when it is stored. */
const shiftOf = (bits: 4 | 8, centre: number): number => 2 ** (bits - 1) - centre;

/** Centres a grid on its middle code, of 16, 32 or 256 codes. `bits` is at least the grid's. */
export function centred(grid: BlockGrid, bits: 4 | 8): CentredGrid {
  const fiveBits = grid.codes.every((code) => code < 32);
  return centredAt(grid, bits, CENTRES[grid.bits === 4 ? 4 : fiveBits ? 5 : 8]);
}

export function centredAt(grid: BlockGrid, bits: 4 | 8, centre: number): CentredGrid {
  const symmetric = grid.mins.every((min, block) => min === -centre * grid.scales[block]!);
  return { grid, bits, centre, symmetric };
}

/** Codes, one in each byte [N·K] → MatMulNBits' bytes [N, K/32, 32·bits/8]: two 4-bit codes in a byte, the first one
 * low. */
export function packCodes({ grid, bits, centre }: CentredGrid): Uint8Array {
  const shift = shiftOf(bits, centre);
  if (bits === 8) return shift === 0 ? grid.codes : grid.codes.map((code) => code + shift);
  const packed = new Uint8Array(grid.codes.length / 2);
  for (let i = 0; i < packed.length; i++) packed[i] = grid.codes[2 * i]! | (grid.codes[2 * i + 1]! << 4);
  return packed;
}

/** The inverse: bytes → codes, one in each byte [N·K]. `centre` is the code that is stored as 2^(bits−1). */
export function unpackCodes(
  packed: Uint8Array<ArrayBuffer>,
  bits: 4 | 8,
  centre: number,
): Uint8Array<ArrayBuffer> {
  const shift = shiftOf(bits, centre);
  if (bits === 8) return shift === 0 ? packed : packed.map((code) => code - shift);
  const codes = new Uint8Array(2 * packed.length);
  packed.forEach((pair, i) => {
    codes[2 * i] = pair & 15;
    codes[2 * i + 1] = pair >> 4;
  });
  return codes;
}

/** Whether all values are exact in float16. */
export function fitsFloat16(values: Float32Array): boolean {
  const rounded = asFloat16(values);
  return values.every((value, i) => value === rounded[i]);
}
