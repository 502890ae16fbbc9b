// GPTQ (Frantar et al. 2022, arXiv 2210.17323): each column's rounding error is compensated in the columns rounded
// after it, by the correlation of their inputs, so that the product changes less than the weights. In the form LDLQ
// (Chee et al. 2023, arXiv 2307.13304, theorem 6), which needs no inverse.

import type { MatrixProduct } from "./matrix-product.ts";

/** How a column's rounding error is passed on to later columns. */
export interface ErrorFeedback {
  readonly columns: number;
  /** Lower triangle of [K, K]: row k holds the share that column k takes of the error of each column before it. */
  readonly shares: Float32Array;
  /** [K]: the squared error of the product for a unit of error in a column, after later columns took their shares. */
  readonly costs: Float32Array;
}

/** Share of the diagonal's mean that is added to the diagonal, for inputs that never varied in calibration. */
const DAMPING = 0.01;

/** Columns of the root that are found one after the other; what later columns take from them is one matrix product. */
const ROOT_TILE = 64;

/** gram [K, K] = Xᵀ·X of a product's inputs X [T, K], of which only the lower triangle is read → its feedback: with
 * gram = (M + 1)·D·(M + 1)ᵀ, M strictly upper triangular, column k takes M[j, k] of the error of column j. */
export async function errorFeedback(
  gram: Float64Array,
  columns: number,
  product: MatrixProduct,
): Promise<ErrorFeedback> {
  let trace = 0;
  for (let k = 0; k < columns; k++) trace += gram[k * columns + k]!;
  // All inputs are zero: any rounding gives the same product.
  const damping = trace > 0 ? (DAMPING * trace) / columns : 1;
  // Cholesky from the last column on: gram = R·Rᵀ, R upper triangular. Four rows at a time, so that their sums run in
  // parallel; what that writes below the diagonal, and in three extra rows, is never read.
  const root = new Float64Array((columns + 3) * columns);
  const shares = new Float32Array(columns * columns);
  const costs = new Float32Array(columns);
  for (let end = columns; end > 0; end -= Math.min(ROOT_TILE, end)) {
    const first = Math.max(0, end - ROOT_TILE);
    const width = end - first;
    const taken = await takenBehind(root, columns, first, end, product);
    for (let k = end - 1; k >= first; k--) {
      const at = k * columns;
      for (let j = 0; j <= k; j += 4) {
        const row0 = j * columns;
        const row1 = row0 + columns;
        const row2 = row1 + columns;
        const row3 = row2 + columns;
        const from = j * width + k - first;
        let sum0 = gram[at + j]! - taken[from]!;
        let sum1 = gram[at + j + 1]! - taken[from + width]!;
        let sum2 = gram[at + j + 2]! - taken[from + 2 * width]!;
        let sum3 = gram[at + j + 3]! - taken[from + 3 * width]!;
        for (let l = k + 1; l < end; l++) {
          const factor = root[at + l]!;
          sum0 -= factor * root[row0 + l]!;
          sum1 -= factor * root[row1 + l]!;
          sum2 -= factor * root[row2 + l]!;
          sum3 -= factor * root[row3 + l]!;
        }
        // Divided by the diagonal below.
        root[row0 + k] = sum0;
        root[row1 + k] = sum1;
        root[row2 + k] = sum2;
        root[row3 + k] = sum3;
      }
      const diagonal = Math.sqrt(root[at + k]! + damping);
      for (let j = 0; j < k; j++) {
        root[j * columns + k]! /= diagonal;
        shares[at + j] = root[j * columns + k]! / diagonal;
      }
      costs[k] = diagonal * diagonal;
    }
  }
  return { columns, shares, costs };
}

/** R[0 … end, end …]·R[first … end, end …]ᵀ [end + 3, end − first], of which the last three rows are zero. */
async function takenBehind(
  root: Float64Array,
  columns: number,
  first: number,
  end: number,
  product: MatrixProduct,
): Promise<Float64Array> {
  const behind = columns - end;
  const taken = new Float64Array((end + 3) * (end - first));
  if (behind === 0) return taken;
  const rows = new Float64Array(end * behind);
  for (let row = 0; row < end; row++) {
    rows.set(root.subarray(row * columns + end, (row + 1) * columns), row * behind);
  }
  taken.set(await product.inDouble(rows, rows.slice(first * behind), behind));
  return taken;
}

/** A quantisation grid: the values min + scale·code. */
export interface Grid {
  readonly scale: number;
  readonly min: number;
}

/** How values are rounded to codes, and where the codes are written. */
export interface Rounding {
  /** Neighbouring columns of a row that share a grid: a block. */
  readonly width: number;
  readonly lowest: number;
  readonly highest: number;
  /** [rows, K], output. */
  readonly codes: Uint8Array | Int8Array;
  /** The grid for a row's values [width] in a block, with errors weighted by `costs` [width]. */
  gridOf(row: number, block: number, values: Float32Array, costs: Float32Array): Grid;
}

/** Columns whose errors are passed on to later columns in one matrix product. */
const TILE = 32;

/** values [rows, K] → codes: each column is rounded after its shares of the errors before it were added. */
export async function roundWithFeedback(
  values: Float32Array,
  feedback: ErrorFeedback,
  rounding: Rounding,
  product: MatrixProduct,
): Promise<void> {
  const { columns, shares, costs } = feedback;
  const { width, lowest, highest, codes } = rounding;
  const rows = values.length / columns;
  const current = values.slice();
  const gridOfRow = new Array<Grid>(rows);
  for (let first = 0; first < columns; first += TILE) {
    const tile = Math.min(TILE, columns - first);
    const end = first + tile;
    const errors = new Float32Array(rows * tile);
    const blockCosts = first % width === 0 ? costs.subarray(first, first + width) : null;
    for (let row = 0; row < rows; row++) {
      const start = row * columns;
      if (blockCosts !== null) {
        const block = current.subarray(start + first, start + first + width);
        gridOfRow[row] = rounding.gridOf(row, first / width, block, blockCosts);
      }
      const { scale, min } = gridOfRow[row]!; // the first tile begins a block
      const inverse = scale === 0 ? 0 : 1 / scale;
      const at = row * tile - first;
      for (let k = first; k < end; k++) {
        let value = current[start + k]!;
        for (let j = first; j < k; j++) value += errors[at + j]! * shares[k * columns + j]!;
        const code = Math.max(lowest, Math.min(highest, Math.floor((value - min) * inverse + 0.5)));
        codes[start + k] = code;
        errors[at + k] = values[start + k]! - (min + scale * code);
      }
    }
    const left = columns - end;
    if (left === 0) break;
    const behind = new Float32Array(left * tile);
    for (let k = end; k < columns; k++) {
      behind.set(shares.subarray(k * columns + first, k * columns + end), (k - end) * tile);
    }
    const taken = await product.transposed(errors, behind, tile);
    for (let row = 0; row < rows; row++) {
      const to = row * columns + end;
      for (let k = 0; k < left; k++) current[to + k]! += taken[row * left + k]!;
    }
  }
}
