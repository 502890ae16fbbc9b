// One function for each ONNX operator, under its name, with the shapes of its inputs and outputs. Those of the domain
// com.microsoft are ONNX Runtime's own (its docs/ContribOperators.md).

import type { DataType, Value } from "./graph.ts";
import { DATA_TYPE_BYTES, DATA_TYPES } from "./graph.ts";
import type { GraphBuilder } from "./graph-builder.ts";

const MICROSOFT = "com.microsoft";

/** a [...], b [...] → [...] with broadcasting */
export const add = (g: GraphBuilder, a: Value, b: Value): Value => g.value("Add", [a, b]);
export const sub = (g: GraphBuilder, a: Value, b: Value): Value => g.value("Sub", [a, b]);
export const mul = (g: GraphBuilder, a: Value, b: Value): Value => g.value("Mul", [a, b]);
export const div = (g: GraphBuilder, a: Value, b: Value): Value => g.value("Div", [a, b]);
/** a [...], b [...] of one type → bool [...] with broadcasting */
export const greater = (g: GraphBuilder, a: Value, b: Value): Value => g.value("Greater", [a, b]);
export const less = (g: GraphBuilder, a: Value, b: Value): Value => g.value("Less", [a, b]);
export const equal = (g: GraphBuilder, a: Value, b: Value): Value => g.value("Equal", [a, b]);
export const or = (g: GraphBuilder, a: Value, b: Value): Value => g.value("Or", [a, b]);
/** condition bool [...], a, b [...] → a where the condition is true, else b, with broadcasting */
export const where = (g: GraphBuilder, condition: Value, a: Value, b: Value): Value =>
  g.value("Where", [condition, a, b]);

/** x [...] → [...], elementwise */
export const neg = (g: GraphBuilder, x: Value): Value => g.value("Neg", [x]);
export const sigmoid = (g: GraphBuilder, x: Value): Value => g.value("Sigmoid", [x]);
export const exp = (g: GraphBuilder, x: Value): Value => g.value("Exp", [x]);
export const log = (g: GraphBuilder, x: Value): Value => g.value("Log", [x]);
export const relu = (g: GraphBuilder, x: Value): Value => g.value("Relu", [x]);
export const tanh = (g: GraphBuilder, x: Value): Value => g.value("Tanh", [x]);

/** x [...] → x·σ(x), which is SiLU */
export function quickGelu(g: GraphBuilder, x: Value): Value {
  return g.value("QuickGelu", [x], { domain: MICROSOFT, attributes: { alpha: { float: 1 } } });
}

export function cast(g: GraphBuilder, x: Value, type: DataType): Value {
  return g.value("Cast", [x], { attributes: { to: DATA_TYPES[type] } });
}

/** data [D0, ..., Dn], indices [...] → indices' shape in place of the axis */
export function gather(g: GraphBuilder, data: Value, indices: Value, axis: number): Value {
  return g.value("Gather", [data, indices], { attributes: { axis } });
}

/** data, indices int64 of the same rank → the value at each index along the axis, in the shape of the indices */
export function gatherElements(g: GraphBuilder, data: Value, indices: Value, axis: number): Value {
  return g.value("GatherElements", [data, indices], { attributes: { axis } });
}

/** x → its shape as int64 [rank] */
export const shape = (g: GraphBuilder, x: Value): Value => g.value("Shape", [x]);

/** start, limit, step int64 [] → start, start + step, ... below limit */
export const range = (g: GraphBuilder, start: Value, limit: Value, step: Value): Value =>
  g.value("Range", [start, limit, step]);

/** x [...] → x with a dimension of 1 at the axis */
export const unsqueeze = (g: GraphBuilder, x: Value, axis: number): Value =>
  g.value("Unsqueeze", [x, g.ints([axis])]);

/** x [...] → its dimensions in the order of `axes` */
export const transpose = (g: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  g.value("Transpose", [x], { attributes: { perm: axes } });

/** x → x broadcast with the shape in an int64 vector */
export const expand = (g: GraphBuilder, x: Value, shape: Value): Value => g.value("Expand", [x, shape]);

/** shape int64 [rank] → zeros of that shape */
export function zeros(g: GraphBuilder, shape: Value, type: "float32" | "float64" = "float32"): Value {
  const bytes = new Uint8Array(DATA_TYPE_BYTES[type]);
  const tensor = { type, shape: [1], data: { kind: "inline", bytes } } as const;
  return g.value("ConstantOfShape", [shape], { attributes: { value: { tensor } } });
}

/** data, indices and updates of the same shape → data with each update added at its index along the axis */
export function scatterAdd(
  g: GraphBuilder,
  data: Value,
  indices: Value,
  updates: Value,
  axis: number,
): Value {
  const attributes = { axis, reduction: "add" };
  return g.value("ScatterElements", [data, indices, updates], { attributes });
}

/** Vectors [A], [B], ... → [A + B + ...]; of more dimensions, along the first. */
export function concatenate(g: GraphBuilder, values: readonly Value[]): Value {
  return g.value("Concat", values, { attributes: { axis: 0 } });
}

/** x, shape int64 [rank] → the same values in that shape */
export const reshapeTo = (g: GraphBuilder, x: Value, shape: Value): Value => g.value("Reshape", [x, shape]);

/** x → the same values in `dimensions`; 0 keeps a size, -1 is inferred. */
export function reshape(g: GraphBuilder, x: Value, dimensions: readonly number[]): Value {
  return g.value("Reshape", [x, g.ints(dimensions)]);
}

/** x [..., A + B + ...] → [..., A], [..., B], ... */
export function split(g: GraphBuilder, x: Value, sizes: readonly number[]): readonly Value[] {
  const outputs = sizes.map((_, index) => g.name(`Split.${index}`));
  return g.node("Split", [x, g.ints(sizes)], { attributes: { axis: -1 }, outputs });
}

/** x [..., K] → [...] (or [..., 1]) */
export function reduceSum(g: GraphBuilder, x: Value, axis: number, keepDimension: boolean): Value {
  return g.value("ReduceSum", [x, g.ints([axis])], { attributes: { keepdims: keepDimension ? 1 : 0 } });
}

/** x [...] → the sum of all its values [] */
export const sumAll = (g: GraphBuilder, x: Value): Value =>
  g.value("ReduceSum", [x], { attributes: { keepdims: 0 } });

/** x [..., N] → the largest along the last axis [..., 1] */
export const reduceMax = (g: GraphBuilder, x: Value): Value =>
  g.value("ReduceMax", [x, g.ints([-1])], { attributes: { keepdims: 1 } });

/** x [..., N] → e^x over its sum along the last axis */
export const softmax = (g: GraphBuilder, x: Value): Value =>
  g.value("Softmax", [x], { attributes: { axis: -1 } });

/** x [..., N] → the k largest, in descending order: values [..., k], indices int64 [..., k] */
export function topK(g: GraphBuilder, x: Value, k: number, values: Value, indices: Value): void {
  g.node("TopK", [x, g.ints([k])], { attributes: { axis: -1 }, outputs: [values, indices] });
}

/** a [..., K], b [K, N] → a·b [..., N] */
export const matMul = (g: GraphBuilder, a: Value, b: Value): Value => g.value("MatMul", [a, b]);

/** a [M, K], b [N, K], c [M, N] → a·bᵀ + c [M, N] */
export function gemmTransposed(g: GraphBuilder, a: Value, b: Value, c: Value | null = null): Value {
  return g.value("Gemm", c === null ? [a, b] : [a, b, c], { attributes: { transB: 1 } });
}

/** a [M, K], b [K, N], either transposed, c [M, N] → alpha·a·b + c [M, N] */
export function gemm(g: GraphBuilder, a: Value, b: Value, c: Value, options: FusedMatMulOptions): Value {
  const { transA = false, transB = false, alpha = 1 } = options;
  return g.value("Gemm", [a, b, c], {
    attributes: { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } },
  });
}

export interface FusedMatMulOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
}

/** a [..., M, K], b [..., K, N], either with its last two dimensions transposed → alpha·a·b [..., M, N] */
export function fusedMatMul(g: GraphBuilder, a: Value, b: Value, options: FusedMatMulOptions): Value {
  const { transA = false, transB = false, alpha = 1 } = options;
  return g.value("FusedMatMul", [a, b], {
    domain: MICROSOFT,
    attributes: { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } },
  });
}

export interface BlockWeight {
  readonly bits: 4 | 8;
  /** Columns K of the weight [N, K]. */
  readonly columns: number;
  /** Rows N. */
  readonly rows: number;
  readonly blockSize: number;
}

/** x [..., K], codes uint8 [N, K/block, block·bits/8], scales [N, K/block] → x·Wᵀ [..., N] with
 * w = scale·(code − 2^(bits−1)). Accuracy level 4 quantises x to int8, in blocks of each row. */
export function matMulNBits(
  g: GraphBuilder,
  x: Value,
  codes: Value,
  scales: Value,
  weight: BlockWeight,
): Value {
  return g.value("MatMulNBits", [x, codes, scales], {
    domain: MICROSOFT,
    attributes: {
      K: weight.columns,
      N: weight.rows,
      bits: weight.bits,
      block_size: weight.blockSize,
      accuracy_level: 4,
    },
  });
}

/** codes uint8 [V, K·bits/8], indices [...], scales [V, K/block] → rows [..., K] with w = scale·(code − 2^(bits−1)) */
export function gatherBlockQuantized(
  g: GraphBuilder,
  codes: Value,
  indices: Value,
  scales: Value,
  weight: BlockWeight,
): Value {
  return g.value("GatherBlockQuantized", [codes, indices, scales], {
    domain: MICROSOFT,
    attributes: { bits: weight.bits, block_size: weight.blockSize, gather_axis: 0, quantize_axis: 1 },
  });
}

/** x [..., C], weight [C] → x / rms(x) ∘ weight */
export function simplifiedLayerNormalization(
  g: GraphBuilder,
  x: Value,
  weight: Value,
  epsilon: number,
): Value {
  return g.value("SimplifiedLayerNormalization", [x, weight], {
    attributes: { axis: -1, epsilon: { float: epsilon }, stash_type: 1 },
  });
}

/** x, skip [..., C] → the norm of x + skip, and x + skip */
export function skipSimplifiedLayerNormalization(
  g: GraphBuilder,
  x: Value,
  skip: Value,
  weight: Value,
  epsilon: number,
): readonly [Value, Value] {
  const normed = g.name("SkipSimplifiedLayerNormalization.normed");
  const sum = g.name("SkipSimplifiedLayerNormalization.sum");
  g.node("SkipSimplifiedLayerNormalization", [x, skip, weight], {
    domain: MICROSOFT,
    attributes: { epsilon: { float: epsilon } },
    outputs: [normed, "", "", sum],
  });
  return [normed, sum];
}

/** x [B, S, heads·D], positions int64 [B, S], cosine and sine [P, D/2] → x with the two halves of each head rotated */
export function rotaryEmbedding(
  g: GraphBuilder,
  x: Value,
  positions: Value,
  cosine: Value,
  sine: Value,
  heads: number,
): Value {
  return g.value("RotaryEmbedding", [x, positions, cosine, sine], {
    domain: MICROSOFT,
    attributes: { num_heads: heads, interleaved: 0 },
  });
}

export interface GroupQueryAttention {
  /** [B, S, heads·D], or packed with keys and values [B, S, (heads + 2·keyValueHeads)·D]. */
  readonly query: Value;
  /** [B, S, keyValueHeads·D]; "" when packed into the query. */
  readonly key: Value;
  readonly value: Value;
  /** [B, keyValueHeads, capacity, D] */
  readonly pastKey: Value;
  readonly pastValue: Value;
  /** Names of the outputs: the caches after this call. */
  readonly presentKey: Value;
  readonly presentValue: Value;
  /** int32 [B]: tokens of each row after this call, minus one. */
  readonly lengths: Value;
  /** int32 []: the longest row. */
  readonly totalLength: Value;
  /** [positions, D/2]; null when queries and keys are rotated already. */
  readonly rotary: { readonly cosine: Value; readonly sine: Value } | null;
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Tokens that a position attends to, itself included; null is all. */
  readonly window: number | null;
}

/** Grouped-query attention over a cache that is updated in place, with the rotary embedding inside → [B, S, heads·D] */
export function groupQueryAttention(g: GraphBuilder, a: GroupQueryAttention): Value {
  const output = g.name("GroupQueryAttention.out");
  const inputs = [a.query, a.key, a.value, a.pastKey, a.pastValue, a.lengths, a.totalLength];
  if (a.rotary !== null) inputs.push(a.rotary.cosine, a.rotary.sine);
  g.node("GroupQueryAttention", inputs, {
    domain: MICROSOFT,
    attributes: {
      num_heads: a.heads,
      kv_num_heads: a.keyValueHeads,
      do_rotary: a.rotary === null ? 0 : 1,
      rotary_interleaved: 0,
      local_window_size: a.window ?? -1,
    },
    outputs: [output, a.presentKey, a.presentValue],
  });
  return output;
}
