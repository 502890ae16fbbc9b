// A linear layer y = x·Wᵀ + b over weights in floats, in quantised blocks or in quantised rows, and an embedding over
// the first two.

import type { FloatType, Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { encodeFloat16 } from "../tensor/half.ts";

/** A weight [rows, columns] in floats. */
export interface FloatWeight {
  readonly kind: "float";
  readonly floats: FloatType;
  /** What products over it are given and give, where that is another type. */
  readonly given?: FloatType;
  readonly weight: Value;
  readonly rows: number;
  readonly columns: number;
}

/** A weight [rows, columns] that is already in the graph. */
export type LinearWeight =
  | FloatWeight
  | (op.BlockWeight & {
      readonly kind: "blocks";
      /** Of inputs, scales and offsets. */
      readonly floats: FloatType;
      /** uint8 [rows, columns/block, block·bits/8] */
      readonly codes: Value;
      /** The same bytes as uint8 [rows, columns·bits/8], for a look-up by row. */
      readonly codeRows: () => Value;
      /** [rows, columns/block] */
      readonly scales: Value;
      /** [rows, columns/block], what each block's values lie above scale·(code − 2^(bits−1)); null when
       * that is nothing. */
      readonly offsets: Value | null;
    });

/** A weight whose rows have a scale each, [rows, columns], for products of integers. */
export interface RowWeight {
  readonly kind: "rows";
  /** int8 [columns, rows] */
  readonly codes: Value;
  /** float32 [rows] */
  readonly scales: Value;
  /** Whether inputs are rounded to two bytes instead of one, for twice the products. */
  readonly fineInputs: boolean;
  readonly rows: number;
  readonly columns: number;
}

/** What a module adds to its product: x [T, K], y [T, rows] → [T, rows] */
export type Adapter = (g: GraphBuilder, x: Value, y: Value) => Value;

/** Several modules' rows in one weight, in this order, because they share their input. */
export interface LinearGroup {
  readonly rows: readonly number[];
  readonly weight: LinearWeight | RowWeight;
  /** [Σ rows] */
  readonly bias: Value | null;
  /** Told of the input x [T, K] when the product is built. */
  readonly observe?: (x: Value) => void;
  /** One for each of `rows`, null where a module has none; left out when no module has one. */
  readonly adapters?: readonly (Adapter | null)[];
}

/** The matrix [K, K/block] of zeros and ones that sums a row's blocks. */
function blockSummer(
  g: GraphBuilder,
  { columns, blockSize, floats }: op.BlockWeight & { readonly floats: FloatType },
): Value {
  const blocks = columns / blockSize;
  const matrix = new Float32Array(columns * blocks);
  for (let column = 0; column < columns; column++)
    matrix[column * blocks + Math.floor(column / blockSize)] = 1;
  const bytes = new Uint8Array((floats === "float32" ? matrix : encodeFloat16(matrix)).buffer);
  const name = `constant.block_sums.${columns}_${blockSize}`;
  return g.initializer(name, { type: floats, shape: [columns, blocks], data: { kind: "inline", bytes } });
}

/** What is looked up in a weight [...], as products over it are given. */
export const lookedUp = (g: GraphBuilder, { floats, given = floats }: FloatWeight, rows: Value): Value =>
  given === floats ? rows : op.cast(g, rows, given);

/** A product with a weight, computed in the weight's own floats. */
export function inItsFloats(
  g: GraphBuilder,
  weight: FloatWeight,
  x: Value,
  product: (x: Value) => Value,
): Value {
  const { floats, given = floats } = weight;
  return given === floats ? product(x) : op.cast(g, product(op.cast(g, x, floats)), given);
}

/** x [T, K], group [N, K] → x·Wᵀ + b [T, N], of a group of one module its adapter's too. With w = scale·(code − z) + offset a product splits exactly into
 * x·(scale·(code − z))ᵀ, which runs in integers, and blockSums(x)·offsetᵀ, which is 32 times smaller. */
export function linear(g: GraphBuilder, x: Value, group: LinearGroup): Value {
  const { weight, bias } = group;
  group.observe?.(x);
  let y: Value;
  if (weight.kind === "float") {
    y = inItsFloats(g, weight, x, (x) => op.gemmTransposed(g, x, weight.weight));
  } else if (weight.kind === "rows") {
    const { codes, scales } = weight.fineInputs ? op.quantizeRowsFinely(g, x) : op.quantizeRows(g, x);
    const product = op.matMulIntegerToFloat(g, codes, weight.codes, weight.scales);
    y = op.mul(g, weight.fineInputs ? op.sumFinely(g, product) : product, scales);
  } else {
    y = op.matMulNBits(g, x, weight.codes, weight.scales, weight);
    if (weight.offsets !== null) {
      y = op.gemmTransposed(g, op.matMul(g, x, blockSummer(g, weight)), weight.offsets, y);
    }
  }
  if (bias !== null) y = op.add(g, y, bias);
  const [adapter = null] = group.rows.length === 1 ? (group.adapters ?? []) : [];
  return adapter === null ? y : adapter(g, x, y);
}

/** x [T, K], groups in the modules' order → one value [T, rows] for each module, with its adapter's part */
export function linears(g: GraphBuilder, x: Value, groups: readonly LinearGroup[]): Value[] {
  return groups.flatMap((group) => {
    const y = linear(g, x, group);
    if (group.rows.length === 1) return [y];
    return op.split(g, y, group.rows).map((part, index) => {
      const adapter = group.adapters?.[index] ?? null;
      return adapter === null ? part : adapter(g, x, part);
    });
  });
}

/** ids int64 [B, S], weight [V, C] → [B·S, C]. Blocks with offsets cannot be looked up; an exporter stores
 * embeddings without. */
export function embedding(g: GraphBuilder, ids: Value, weight: LinearWeight): Value {
  const rows =
    weight.kind === "float"
      ? lookedUp(g, weight, op.gather(g, weight.weight, ids, 0))
      : op.gatherBlockQuantized(g, weight.codeRows(), ids, weight.scales, weight);
  return op.reshape(g, rows, [-1, weight.columns]);
}
