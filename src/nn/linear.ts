// The linear layer y = x·Wᵀ + b, and the embedding, over weights in floats or quantised in blocks.

import { withGradient } from "../onnx/gradient.ts";
import type { FloatType, Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { type BlockRows, quantisedLinear } from "../onnx/own-operators.ts";
import { encodeFloat16 } from "../tensor/half.ts";

/** A weight [rows, columns] in floats. */
export interface FloatWeight {
  readonly kind: "float";
  readonly floats: FloatType;
  /** The type of the activations, when different. */
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
      /** The type of activations, scales and offsets. */
      readonly floats: FloatType;
      /** uint8 [rows, columns/block, block·bits/8] */
      readonly codes: Value;
      /** The same bytes as uint8 [rows, columns·bits/8], for embedding look-up. */
      readonly codeRows: () => Value;
      /** [rows, columns/block] */
      readonly scales: Value;
      /** [rows, columns/block]: what is added to scale·(code − 2^(bits−1)) in each block; null for symmetric blocks. */
      readonly offsets: Value | null;
    });

/** A frozen weight [rows, columns] of a training graph, in blocks of our own operator. */
export interface FrozenBlocks {
  readonly kind: "frozen-blocks";
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns], for x·Wᵀ */
  readonly blocks: BlockRows;
  /** [columns, rows], for the gradient dy·W */
  readonly transposed: BlockRows;
}

/** A weight of a product. */
export type ProductWeight = LinearWeight | FrozenBlocks;

/** Adds an adapter's output to that of its module: x [T, K], y [T, rows] → [T, rows] */
export type Adapter = (g: GraphBuilder, x: Value, y: Value) => Value;

/** The rows of several modules with the same input, joined in this order into one weight. */
export interface LinearGroup {
  readonly rows: readonly number[];
  readonly weight: ProductWeight;
  /** [Σ rows] */
  readonly bias: Value | null;
  /** Called with the input x [T, K] when the product is built. */
  readonly observe?: (x: Value) => void;
  /** One for each of `rows`, null for a module without; left out when no module has one. */
  readonly adapters?: readonly (Adapter | null)[];
}

/** The matrix [K, K/block] of zeros and ones that sums x over each block. */
function blockSums(
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

/** rows [..., columns] looked up in a weight → the same in the type of the activations */
export const lookedUp = (g: GraphBuilder, { floats, given = floats }: FloatWeight, rows: Value): Value =>
  given === floats ? rows : op.cast(g, rows, given);

/** x → product(x), computed in the weight's own type and cast back. */
export function inItsFloats(
  g: GraphBuilder,
  weight: FloatWeight,
  x: Value,
  product: (x: Value) => Value,
): Value {
  const { floats, given = floats } = weight;
  return given === floats ? product(x) : op.cast(g, product(op.cast(g, x, floats)), given);
}

/** x [T, K], group [N, K] → x·Wᵀ + b [T, N], with the adapter of a group of one module. A product with weights
 * w = scale·(code − z) + offset is exactly x·(scale·(code − z))ᵀ, computed in integers, plus blockSums(x)·offsetᵀ, which is
 * 32 times smaller. */
export function linear(g: GraphBuilder, x: Value, group: LinearGroup): Value {
  const { weight, bias } = group;
  group.observe?.(x);
  let y: Value;
  if (weight.kind === "frozen-blocks") {
    // The operator rounds dy to 8 bits as it does x, each block of 32 by its own scale.
    y = withGradient(g, quantisedLinear(g, x, { weights: [weight.blocks], bias: null }), [x], ({ dy }) => [
      () => quantisedLinear(g, dy, { weights: [weight.transposed], bias: null }),
    ]);
  } else if (weight.kind === "float") {
    y = inItsFloats(g, weight, x, (x) => op.gemmTransposed(g, x, weight.weight));
  } else {
    y = op.matMulNBits(g, x, weight.codes, weight.scales, weight);
    if (weight.offsets !== null) {
      y = op.gemmTransposed(g, op.matMul(g, x, blockSums(g, weight)), weight.offsets, y);
    }
  }
  if (bias !== null) y = op.add(g, y, bias);
  const [adapter = null] = group.rows.length === 1 ? (group.adapters ?? []) : [];
  return adapter === null ? y : adapter(g, x, y);
}

/** x [T, K], groups in the order of the modules → one value [T, rows] for each module, its adapter's output included */
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

/** ids int64 [B, S], weight [V, C] → [B, S, C]. There is no look-up in blocks with offsets, and embeddings are stored
 * without. */
export function lookUp(g: GraphBuilder, ids: Value, weight: LinearWeight): Value {
  return weight.kind === "float"
    ? lookedUp(g, weight, op.gather(g, weight.weight, ids, 0))
    : op.gatherBlockQuantized(g, weight.codeRows(), ids, weight.scales, weight);
}

/** ids int64 [B, S], weight [V, C] → [B·S, C] */
export function embedding(g: GraphBuilder, ids: Value, weight: LinearWeight): Value {
  return op.reshape(g, lookUp(g, ids, weight), [-1, weight.columns]);
}
