// The values of stored floats and ggml blocks: dequantised to float32, or as the integer codes, scales and minimums of
// their grid.

import { MagdiError } from "../base/errors.ts";
import { dequantizeQ6_K, GRID_LAYOUTS, type Grid, type GridType } from "./ggml-unpack.ts";
import { decodeBfloat16, decodeFloat16 } from "./half.ts";
import { type TensorType, tensorByteLength, typeLayout } from "./stored-type.ts";

/** The types that dequantize accepts. */
type FloatType = "F64" | "F32" | "F16" | "BF16" | "Q6_K" | GridType;

/** Values [rows, columns] as codes on one affine grid for each 32 values of a row. */
export interface BlockGrid {
  /** How many bits the codes need: 4 bits for 0..15, 8 for 0..31 and 0..255. */
  readonly bits: 4 | 8;
  /** [rows * columns], one code to a byte. */
  readonly codes: Uint8Array<ArrayBuffer>;
  /** [rows, columns / 32] */
  readonly scales: Float32Array<ArrayBuffer>;
  /** [rows, columns / 32] */
  readonly mins: Float32Array<ArrayBuffer>;
}

export function isFloatType(type: TensorType): type is FloatType {
  return isGridType(type) || ["F64", "F32", "F16", "BF16", "Q6_K"].includes(type);
}

/** Whether values lie on a grid of 32: not those of F64, F32, F16, BF16, Q6_K with its blocks of 16, and integers. */
export function isGridType(type: TensorType): type is GridType {
  return Object.hasOwn(GRID_LAYOUTS, type);
}

/**
 * bytes of `elementCount` values → [elementCount], bit for bit what llama.cpp's dequantize_row_* gives; F64 is rounded. F32
 * bytes that have an ArrayBuffer of their own are returned in it, not copied.
 *
 * @throws MagdiError MAGDI_BAD_FILE when the bytes are not of that length or the last block is not whole;
 * MAGDI_UNSUPPORTED for integers and booleans.
 */
export function dequantize(
  type: TensorType,
  bytes: Uint8Array,
  elementCount: number,
): Float32Array<ArrayBuffer> {
  if (!isFloatType(type)) {
    throw new MagdiError("MAGDI_UNSUPPORTED", `${type} has no float32 values; use its raw bytes`);
  }
  expectByteLength(type, bytes, [elementCount]);
  if (type === "F16") return decodeFloat16(bytes);
  if (type === "BF16") return decodeBfloat16(bytes);
  if (type === "F32") return float32From(bytes);
  if (type === "F64") return Float32Array.from(new Float64Array(new Uint8Array(bytes).buffer));
  if (type === "Q6_K") {
    const values = new Float32Array(elementCount);
    for (let block = 0; block * 256 < elementCount; block++) {
      dequantizeQ6_K(bytes, block * 210, values, block * 256);
    }
    return values;
  }
  return valuesOf(unpackGrid(type, bytes, elementCount), GRID_LAYOUTS[type].zeroCode);
}

/** The same memory where the bytes fill their ArrayBuffer, else a copy. */
function float32From(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isOwn = buffer instanceof ArrayBuffer && bytes.byteLength === buffer.byteLength;
  return new Float32Array(isOwn ? buffer : new Uint8Array(bytes).buffer);
}

function valuesOf({ codes, scales, mins }: Grid, zeroCode: number | null): Float32Array<ArrayBuffer> {
  const values = new Float32Array(codes.length);
  for (let group = 0; group < scales.length; group++) {
    const scale = scales[group]!;
    const min = zeroCode === null ? mins[group]! : 0;
    const end = 32 * group + 32;
    if (zeroCode === null) {
      for (let i = 32 * group; i < end; i++) values[i] = scale * codes[i]! + min;
    } else {
      // Not through min, so that a zero keeps the sign of its scale.
      for (let i = 32 * group; i < end; i++) values[i] = scale * (codes[i]! - zeroCode);
    }
  }
  return values;
}

/**
 * bytes of [rows, columns] → the exact grid of its values.
 *
 * Exactly: scale, min and scale * code are float32 numbers without any rounding (a float16 times at most 13 bits),
 * so the only rounding is that of the sum, and for finite scales and mins
 * Math.fround(scale * code + min) === dequantize(...) for every value, save that a zero's sign may differ. Without a
 * min of their own, Q4_0, Q5_0 and Q8_0 have min = -8, -16 and -128 times the scale, and no rounding at all.
 *
 * @throws MagdiError MAGDI_BAD_FILE when the bytes do not fit [rows, columns], columns being whole blocks.
 */
export function toBlockGrid(type: GridType, bytes: Uint8Array, rows: number, columns: number): BlockGrid {
  expectByteLength(type, bytes, [rows, columns]);
  return { bits: GRID_LAYOUTS[type].bits, ...unpackGrid(type, bytes, rows * columns) };
}

function unpackGrid(type: GridType, bytes: Uint8Array, elementCount: number): Grid {
  const { unpack } = GRID_LAYOUTS[type];
  const { blockElements, blockBytes } = typeLayout(type);
  const grid: Grid = {
    codes: new Uint8Array(elementCount),
    scales: new Float32Array(elementCount / 32),
    mins: new Float32Array(elementCount / 32),
  };
  const blocks = elementCount / blockElements;
  for (let block = 0; block < blocks; block++) {
    unpack(bytes, block * blockBytes, grid, block * blockElements);
  }
  return grid;
}

function expectByteLength(type: TensorType, bytes: Uint8Array, shape: readonly number[]): void {
  const expected = tensorByteLength(type, shape);
  if (expected === bytes.byteLength) return;
  const { blockElements, blockBytes } = typeLayout(type);
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${type} values [${shape.join(", ")}]: expected ${expected ?? "a last dimension of whole blocks"}` +
      ` (${blockBytes} bytes for each ${blockElements}), found ${bytes.byteLength} bytes`,
  );
}
