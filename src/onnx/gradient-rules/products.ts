// Gradients of matrix products. α and the transpositions of the forward node become attributes of the backward ones, so
// that no transposed copy is made where an operator can transpose by itself.

import { floatAttribute, intAttribute, type Value } from "../graph.ts";
import * as op from "../operators.ts";
import { type Backward, broadcasting, constant, type Rule, unsupported } from "./rule.ts";

interface Operand {
  readonly value: Value;
  readonly transposed: boolean;
}

const flipped = ({ value, transposed }: Operand): Operand => ({ value, transposed: !transposed });

/** Columns of a matrix that counts as narrow, such as the values of one head or an adapter's rank. */
const NARROW = 128;

/** x [..., M, N] → [..., N, M] */
function exchanged(back: Backward, x: Value, rank = back.facts.shape(x)?.length): Value {
  if (rank === undefined) throw unsupported(back.node, `the rank of ${x} is not known before the graph runs`);
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return op.transpose(back.g, x, [...axes.slice(0, -2), rank - 1, rank - 2]);
}

/** alpha · left · right */
function product(back: Backward, left: Operand, right: Operand, alpha: number): Value {
  const { g, facts } = back;
  if (alpha === 1 && !left.transposed && !right.transposed) return op.matMul(g, left.value, right.value);
  if (facts.type(left.value) !== "float64") {
    const options = { transA: left.transposed, transB: right.transposed, alpha };
    return op.fusedMatMul(g, left.value, right.value, options);
  }
  // FusedMatMul has no 64-bit kernel.
  const [a, b] = [left, right].map((x) => (x.transposed ? exchanged(back, x.value) : x.value));
  const y = op.matMul(g, a ?? "", b ?? "");
  return alpha === 1 ? y : op.mul(g, y, constant(back, alpha, left.value));
}

/** alpha · leftᵀ · right. Transposing costs by a matrix's width: with a wide left and a narrow right, it is the transpose of
 * rightᵀ · left. */
function transposedProduct(back: Backward, left: Operand, right: Operand, alpha: number): Value {
  const { facts } = back;
  const [wide, narrow] = [left, right].map(({ value }) => facts.shape(value)?.at(-1));
  const isNarrow =
    typeof narrow === "number" && narrow <= NARROW && !(typeof wide === "number" && wide <= narrow);
  if (left.transposed || right.transposed || !isNarrow) return product(back, flipped(left), right, alpha);
  return exchanged(back, product(back, flipped(right), left, alpha), facts.shape(left.value)?.length);
}

/** Y = α·op(A)·op(B): with op(A) = A, dA = α·dY·op(B)ᵀ; with op(A) = Aᵀ, dA = α·op(B)·dYᵀ.
 * With op(B) = B, dB = α·op(A)ᵀ·dY; with op(B) = Bᵀ, dB = α·dYᵀ·op(A).
 * A stack A [..., M, K] times one matrix B counts as one matrix [...·M, K] in dB. */
const matrixProduct: Rule = (back) => {
  const { g, facts, node, dy } = back;
  for (const attribute of ["transBatchA", "transBatchB"]) {
    if (intAttribute(node, attribute, 0) !== 0) throw unsupported(node, `its attribute ${attribute}`);
  }
  const alpha = floatAttribute(node, "alpha", 1);
  const [aRank, bRank] = [facts.shape(back.a)?.length, facts.shape(back.b)?.length];
  const a = {
    value: aRank === 1 ? op.unsqueeze(g, back.a, 0) : back.a,
    transposed: aRank !== 1 && intAttribute(node, "transA", 0) === 1,
  };
  const b = {
    value: bRank === 1 ? op.unsqueeze(g, back.b, 1) : back.b,
    transposed: bRank !== 1 && intAttribute(node, "transB", 0) === 1,
  };
  let cotangent = aRank === 1 ? op.unsqueeze(g, dy, bRank === 1 ? -1 : -2) : dy;
  if (bRank === 1) cotangent = op.unsqueeze(g, cotangent, -1);
  const whole = { value: cotangent, transposed: false };
  const transposed = { value: cotangent, transposed: true };
  const stack = aRank !== undefined && aRank > 2 && (bRank === 2 || bRank === 1) && !a.transposed;
  const rows = (x: Value): Value => (stack ? g.value("Flatten", [x], { attributes: { axis: -1 } }) : x);
  return [
    () => (a.transposed ? product(back, b, transposed, alpha) : product(back, whole, flipped(b), alpha)),
    () => {
      const left = { value: rows(a.value), transposed: a.transposed };
      const right = { value: rows(cotangent), transposed: false };
      const db = b.transposed
        ? transposedProduct(back, right, left, alpha)
        : transposedProduct(back, left, right, alpha);
      return bRank === 1 ? g.value("Squeeze", [db, g.ints([-1])]) : db;
    },
  ];
};

export const PRODUCTS = {
  MatMul: broadcasting(matrixProduct),
  FusedMatMul: broadcasting(matrixProduct),
  // Y = α·op(A)·op(B) + β·C: dA and dB as above, dC = β·dY
  Gemm: broadcasting((back) => {
    const beta = floatAttribute(back.node, "beta", 1);
    const dc = (): Value => (beta === 1 ? back.dy : op.mul(back.g, back.dy, constant(back, beta, back.dy)));
    return [...matrixProduct(back), dc];
  }),
} as const;
