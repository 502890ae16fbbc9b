// Quantisation to int8 with one scale for each row (per-channel), to codes that every processor multiplies exactly.

/** Processors without VNNI sum the products of two neighbouring columns in 16 bits, with saturation. With uint8 inputs
 * that is exact as long as 255 times the sum of two codes of one sign stays below 2¹⁵. */
const LARGEST_PAIR_SUM = 128;
const LARGEST_ROW_CODE = 127;

/** Shares tried of the scale at which every code fits: clipping may cost less than coarser codes. */
const SCALE_SHARES = [1, 0.93, 0.87, 0.8, 0.74];

export interface RowCodes {
  /** int8 [rows, columns] */
  readonly codes: Int8Array;
  /** [rows] */
  readonly scales: Float32Array;
}

/** w [rows, K] → codes whose neighbours, columns 2i and 2i + 1, sum to at most ±128, with the scale of the smallest
 * squared error. K is even. */
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

/** The smallest scale at which no code of the row, and no sum of two neighbours, is too large. */
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

/** Writes the row's codes; if the sum of two neighbours is too large, both are reduced. Returns the squared error. */
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
