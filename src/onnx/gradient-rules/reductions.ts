// Gradients of sum, mean, max and softmax along axes.

import { isDeepStrictEqual } from "node:util";
import { intAttribute, type Value } from "../graph.ts";
import * as op from "../operators.ts";
import { type Backward, plain } from "./rule.ts";

/** y or dy with the reduced dimensions put back as 1, so that it broadcasts against x. */
function kept({ g, node, b }: Backward, value: Value): Value {
  if (intAttribute(node, "keepdims", 1) === 1 || b === "") return value;
  return g.value("Unsqueeze", [value, b]);
}

/** Σ dy∘y along the last axis [..., 1] of attention weights y whose only use is o = y·v: there dy = do·vᵀ, so that
 * Σ dy∘y = Σ do∘o, which has the size of o instead of the square of the sequence length (Dao et al. 2022,
 * arXiv 2205.14135, appendix B.2). Null when y is used otherwise. */
function attentionSum(back: Backward): Value | null {
  const { g, facts, y } = back;
  const use = back.onlyUse();
  const product = use?.node.operator === "Reshape" ? use.onlyUse() : use;
  if (product?.node.operator !== "MatMul") return null;
  const weighs = product.a === y || product.a === use?.y;
  const rows = (value: Value) => facts.shape(value)?.slice(0, -1);
  const [whole, given] = [rows(product.y), rows(product.a)];
  const last = (value: Value) => facts.shape(value)?.at(-1);
  if (!weighs || product.b === product.a || last(product.a) !== last(y)) return null;
  if (whole === undefined || !isDeepStrictEqual(whole, given) || last(y) === undefined) return null;
  const sums = op.reduceSum(g, op.mul(g, product.dy, product.y), -1, true);
  if (product.a === y) return sums;
  const shape = g.value("Shape", [y], { attributes: { end: -1 } });
  return op.reshapeTo(g, sums, op.concatenate(g, [shape, g.ints([1])]));
}

export const REDUCTIONS = {
  // y = Σ x: dx = dy for every summed x
  ReduceSum: plain((back) => [() => op.expand(back.g, kept(back, back.dy), op.shape(back.g, back.a))]),
  // y = Σ x / n: dx = dy/n for every x
  ReduceMean: plain((back) => {
    const { g, facts, a, y, dy } = back;
    return [
      () => {
        const count = op.div(g, g.value("Size", [a]), g.value("Size", [y]));
        const share = op.div(g, kept(back, dy), op.cast(g, count, facts.type(a) ?? "float32"));
        return op.expand(g, share, op.shape(g, a));
      },
    ];
  }),
  // y = max x: the values that reach it share dy equally, dx = dy∘[x = y] / Σ [x = y]
  ReduceMax: plain((back) => {
    const { g, facts, a, b, y, dy } = back;
    return [
      () => {
        const reaches = op.cast(g, op.equal(g, a, kept(back, y)), facts.type(a) ?? "float32");
        const axes = b === "" ? [] : [b];
        const count = g.value("ReduceSum", [reaches, ...axes], { attributes: { keepdims: 1 } });
        return op.mul(g, reaches, op.div(g, kept(back, dy), count));
      },
    ];
  }),
  // y = eˣ / Σ eˣ: dx = y∘(dy − Σ dy∘y)
  Softmax: plain((back) => {
    const { g, facts, node, y, dy } = back;
    const axis = intAttribute(node, "axis", -1);
    const last = axis === -1 || axis + 1 === facts.shape(y)?.length;
    const sum = (): Value =>
      (last ? attentionSum(back) : null) ?? op.reduceSum(g, op.mul(g, dy, y), axis, true);
    return [() => op.mul(g, y, op.sub(g, dy, sum()))];
  }),
} as const;
