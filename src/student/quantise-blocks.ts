// Weights in blocks of 32: rounding floats onto a grid, and a grid's codes as ONNX Runtime's MatMulNBits reads them.
// It knows no files and no graph.

import type { BlockGrid } from "../tensor/ggml-blocks.ts";
import { decodeFloat16, encodeFloat16, nearestFloat16 } from "../tensor/half.ts";
import type { MatrixProduct } from "./gptq.ts";
import { type CodeLines, type ErrorFeedback, type Line, roundWithFeedback } from "./gptq.ts";

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

const LARGEST_CODE4 = 15;

/** How much of the values' range the codes first span: narrower ones give up the extremes for the rest. */
const FIRST_SPANS = [1, 0.9, 0.8];

/** The line min + scale·code for 4-bit codes of a block's values, by least squares of their errors times `costs`. */
export function fitLine4(values: Float32Array, costs: Float32Array): Line {
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

const EVENLY = new Float32Array(BLOCK_SIZE).fill(1);

/** w [rows·columns] → 4-bit codes with a float minimum a block, by least squares. */
export function roundToAffine4(values: Float32Array): BlockGrid {
  const blocks = values.length / BLOCK_SIZE;
  const wantedScales = new Float32Array(blocks);
  const wantedMins = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const line = fitLine4(values.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE), EVENLY);
    wantedScales[block] = line.scale;
    wantedMins[block] = line.min;
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

/** The same of w [rows, K], with each column's error made up for by the columns behind it. */
export async function compensateAffine4(
  values: Float32Array,
  feedback: ErrorFeedback,
  product: MatrixProduct,
): Promise<BlockGrid> {
  const blocks = values.length / BLOCK_SIZE;
  const perRow = feedback.columns / BLOCK_SIZE;
  // In float16 where plain rounding's would be.
  const plain = roundToAffine4(values);
  const kept = (like: Float32Array) => (fitsFloat16(like) ? nearestFloat16 : Math.fround);
  const [keptScale, keptMin] = [kept(plain.scales), kept(plain.mins)];
  const scales = new Float32Array(blocks);
  const mins = new Float32Array(blocks);
  const codes = new Uint8Array(values.length);
  const lines: CodeLines = {
    width: BLOCK_SIZE,
    lowest: 0,
    highest: LARGEST_CODE4,
    codes,
    lineOf: (row, span, current, costs) => {
      const fitted = fitLine4(current, costs);
      const line = { scale: keptScale(fitted.scale), min: keptMin(fitted.min) };
      scales[row * perRow + span] = line.scale;
      mins[row * perRow + span] = line.min;
      return line;
    },
  };
  await roundWithFeedback(values, feedback, lines, product);
  return { bits: 4, codes, scales, mins };
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

/** By a code's bits, the middle of its codes; 5 bits are stored in 8. */
const CENTRES = { 4: 8, 5: 16, 8: 128 } as const;

/** What is added to a code around `centre` when it is stored. */
const shiftOf = (bits: 4 | 8, centre: number): number => 2 ** (bits - 1) - centre;

/** Centres a grid on the middle of its type's codes, which are 16, 32 or 256. `bits` is at least the grid's. */
export function centred(grid: BlockGrid, bits: 4 | 8): CentredGrid {
  const fiveBits = grid.codes.every((code) => code < 32);
  return centredAt(grid, bits, CENTRES[grid.bits === 4 ? 4 : fiveBits ? 5 : 8]);
}

export function centredAt(grid: BlockGrid, bits: 4 | 8, centre: number): CentredGrid {
  const symmetric = grid.mins.every((min, block) => min === -centre * grid.scales[block]!);
  return { grid, bits, centre, symmetric };
}

/** Codes one a byte [N·K] → MatMulNBits' bytes [N, K/32, 32·bits/8]: 4-bit codes two a byte, the earlier one low. */
export function packCodes({ grid, bits, centre }: CentredGrid): Uint8Array {
  const shift = shiftOf(bits, centre);
  if (bits === 8) return shift === 0 ? grid.codes : grid.codes.map((code) => code + shift);
  const packed = new Uint8Array(grid.codes.length / 2);
  for (let i = 0; i < packed.length; i++) packed[i] = grid.codes[2 * i]! | (grid.codes[2 * i + 1]! << 4);
  return packed;
}

/** The inverse: bytes → codes one a byte [N·K], around the centre that `centred` gave them if their blocks have
 * minimums, which are values at code 0. Without them scales alone say everything, and codes stay around 2^(bits−1). */
export function unpackCodes(
  packed: Uint8Array<ArrayBuffer>,
  bits: 4 | 8,
  minimums: boolean,
): Uint8Array<ArrayBuffer> {
  if (bits === 8) {
    const shift = shiftOf(8, CENTRES[5]);
    const fiveBits = minimums && packed.every((code) => code >= shift && code < shift + 32);
    return fiveBits ? packed.map((code) => code - shift) : packed;
  }
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
