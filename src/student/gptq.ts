// Rounding that makes up for its own errors: a column's error is given to the columns that are rounded after it, by how
// their inputs go together, so that products change less than their weights (GPTQ, Frantar et al. 2022, arXiv
// 2210.17323, in the form of Chee et al. 2023, arXiv 2307.13304, theorem 6, which needs no inverse). It knows no file.

import { encodeModel } from "../onnx/encode.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import { OrtTensor } from "../runtime/ort-tensor.ts";
import { Binding, Session } from "../runtime/session.ts";
/** How a rounded column's error is shared out. */
export interface ErrorFeedback {
  readonly columns: number;
  /** Lower triangle of [K, K]: in row k, what of the error of each column before k column k takes. */
  readonly shares: Float32Array;
  /** [K], what a unit of error in a column costs when the columns behind it have taken their shares. */
  readonly costs: Float32Array;
}

/** Added to the diagonal, of its mean: inputs that were never seen to differ might. */
const DAMPING = 0.01;

/** gram [K, K] = Xᵀ·X of the inputs X [T, K] of a product, only its lower triangle is read → the
 * feedback that belongs
 * to it: with gram = (M + 1)·D·(M + 1)ᵀ, M strictly upper, column k takes M[j, k] of the error of column j. */
export function errorFeedback(gram: Float64Array, columns: number): ErrorFeedback {
  let trace = 0;
  for (let k = 0; k < columns; k++) trace += gram[k * columns + k]!;
  // Inputs that are all zero say nothing of their products.
  const damping = trace > 0 ? (DAMPING * trace) / columns : 1;
  // Cholesky from the last column on: gram = R·Rᵀ, R upper. Below the diagonal and in three rows more lies what is never
  // read: rows are done four at a time, so that their sums do not wait for each other.
  const root = new Float64Array((columns + 3) * columns);
  const shares = new Float32Array(columns * columns);
  const costs = new Float32Array(columns);
  for (let k = columns - 1; k >= 0; k--) {
    const at = k * columns;
    for (let j = 0; j <= k; j += 4) {
      const row0 = j * columns;
      const row1 = row0 + columns;
      const row2 = row1 + columns;
      const row3 = row2 + columns;
      let sum0 = gram[at + j]!;
      let sum1 = gram[at + j + 1]!;
      let sum2 = gram[at + j + 2]!;
      let sum3 = gram[at + j + 3]!;
      for (let l = k + 1; l < columns; l++) {
        const factor = root[at + l]!;
        sum0 -= factor * root[row0 + l]!;
        sum1 -= factor * root[row1 + l]!;
        sum2 -= factor * root[row2 + l]!;
        sum3 -= factor * root[row3 + l]!;
      }
      // Divided below, when the diagonal is known.
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
  return { columns, shares, costs };
}

/** The values min + scale·code. */
export interface Line {
  readonly scale: number;
  readonly min: number;
}

/** Where the rounded values may lie, and where their codes go. */
export interface CodeLines {
  /** Neighbouring columns of a row that share a line. */
  readonly width: number;
  readonly lowest: number;
  readonly highest: number;
  /** [rows, K], written. */
  readonly codes: Uint8Array | Int8Array;
  /** The line for the values [width] of a row's span of columns, an error in which costs `costs` [width]. */
  lineOf(row: number, span: number, values: Float32Array, costs: Float32Array): Line;
}

/** Columns whose errors go to the columns behind them together. */
const TILE = 32;

/** values [rows, K] → codes on the lines: each column is rounded with its shares of the errors before it. */
export async function roundWithFeedback(
  values: Float32Array,
  feedback: ErrorFeedback,
  lines: CodeLines,
  product: MatrixProduct,
): Promise<void> {
  const { columns, shares, costs } = feedback;
  const { width, lowest, highest, codes } = lines;
  const rows = values.length / columns;
  const current = values.slice();
  const lineOfRow = new Array<Line>(rows);
  for (let first = 0; first < columns; first += TILE) {
    const tile = Math.min(TILE, columns - first);
    const end = first + tile;
    const errors = new Float32Array(rows * tile);
    const spanCosts = first % width === 0 ? costs.subarray(first, first + width) : null;
    for (let row = 0; row < rows; row++) {
      const start = row * columns;
      if (spanCosts !== null) {
        const span = current.subarray(start + first, start + first + width);
        lineOfRow[row] = lines.lineOf(row, first / width, span, spanCosts);
      }
      const { scale, min } = lineOfRow[row]!; // the first tile begins a span
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

export class MatrixProduct {
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
  }

  static async open(threads: number): Promise<MatrixProduct> {
    const g = new GraphBuilder();
    const factors = [
      g.input("a", "float32", ["rows", "inner"]),
      g.input("b", "float32", ["columns", "inner"]),
    ];
    const attributes = { transB: 1, alpha: { float: 1 } };
    g.node("FusedMatMul", factors, { domain: "com.microsoft", attributes, outputs: ["product"] });
    g.output("product", "float32", ["rows", "columns"]);
    const model = encodeModel(g.build("magdi_product"));
    return new MatrixProduct(
      await Session.open(model, { label: "matrix product", threads, memoryPattern: false }),
    );
  }

  /** a [rows, inner], b [columns, inner], both over ArrayBuffers of their own → a·bᵀ [rows, columns] */
  async transposed(a: Float32Array, b: Float32Array, inner: number): Promise<Float32Array> {
    const tensors = {
      a: new OrtTensor("float32", [a.length / inner, inner], a),
      b: new OrtTensor("float32", [b.length / inner, inner], b),
    };
    const product = OrtTensor.zeros("float32", [a.length / inner, b.length / inner]);
    try {
      await this.#session.run(new Binding(tensors, { product }));
      return product.data;
    } finally {
      for (const tensor of [tensors.a, tensors.b, product]) tensor.release();
    }
  }

  close(): void {
    this.#session.close();
  }
}
