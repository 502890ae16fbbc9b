// Gradients of sums, means, largest values and the softmax family along axes.

import type { Value } from "../graph.ts";
import * as op from "../operators.ts";
import { intAttribute } from "../value-facts.ts";
import { type Backward, plain, type Rule } from "./rule.ts";

/** y or dy with the reduced dimensions back in place as 1, so that it broadcasts against x. */
function kept({ g, node, b }: Backward, value: Value): Value {
  if (intAttribute(node, "keepdims", 1) === 1 || b === "") return value;
  return g.value("Unsqueeze", [value, b]);
}

/** y = the largest or smallest: the values that reach it share dy equally.
 * dx = dy∘[x = y] / Σ [x = y] */
const extreme: Rule = (back) => {
  const { g, facts, a, b, y, dy } = back;
  return [
    () => {
      const reaches = op.cast(g, op.equal(g, a, kept(back, y)), facts.type(a) ?? "float32");
      const axes = b === "" ? [] : [b];
      const count = g.value("ReduceSum", [reaches, ...axes], { attributes: { keepdims: 1 } });
      return op.mul(g, reaches, op.div(g, kept(back, dy), count));
    },
  ];
};

/** Σ x along the axis of a softmax, its dimension kept. */
const alongAxis = ({ g, node }: Backward, x: Value): Value =>
  op.reduceSum(g, x, intAttribute(node, "axis", -1), true);

export const REDUCTIONS = {
  // y = Σ x: dx = dy for every x that was summed
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
  ReduceMax: plain(extreme),
  ReduceMin: plain(extreme),
  // y = ln Σ eˣ: dx = dy∘eˣ⁻ʸ
  ReduceLogSumExp: plain((back) => {
    const { g, a, y, dy } = back;
    return [() => op.mul(g, kept(back, dy), op.exp(g, op.sub(g, a, kept(back, y))))];
  }),
  // y = eˣ / Σ eˣ: dx = y∘(dy − Σ dy∘y)
  Softmax: plain((back) => {
    const { g, y, dy } = back;
    return [() => op.mul(g, y, op.sub(g, dy, alongAxis(back, op.mul(g, dy, y))))];
  }),
  // y = x − ln Σ eˣ: dx = dy − eʸ∘Σ dy
  LogSoftmax: plain((back) => {
    const { g, y, dy } = back;
    return [() => op.sub(g, dy, op.mul(g, op.exp(g, y), alongAxis(back, dy)))];
  }),
} as const;
