// Gradients of operators that work value by value. dy is the cotangent of y; ∘ multiplies value by value.

import * as op from "../operators.ts";
import { type Backward, broadcasting, constant, plain, type Rule } from "./rule.ts";

const one = (b: Backward): string => constant(b, 1, b.a);

/** y = max or min of all inputs: the ones that reach it share dy equally.
 * dxᵢ = dy∘[xᵢ = y] / Σⱼ [xⱼ = y] */
const extreme: Rule = ({ g, facts, node, y, dy }) => {
  const type = facts.type(y) ?? "float32";
  const reaches = (x: string): string => op.cast(g, op.equal(g, x, y), type);
  let share: string | null = null;
  const shared = (): string => {
    share ??= op.div(
      g,
      dy,
      node.inputs.map(reaches).reduce((sum, next) => op.add(g, sum, next)),
    );
    return share;
  };
  return node.inputs.map((x) => () => op.mul(g, shared(), reaches(x)));
};

export const ELEMENTWISE = {
  // y = a + b: da = dy, db = dy
  Add: broadcasting(({ dy }) => [() => dy, () => dy]),
  // y = Σ xᵢ: dxᵢ = dy
  Sum: broadcasting(({ node, dy }) => node.inputs.map(() => () => dy)),
  // y = a − b: da = dy, db = −dy
  Sub: broadcasting(({ g, dy }) => [() => dy, () => op.neg(g, dy)]),
  // y = a∘b: da = dy∘b, db = dy∘a
  Mul: broadcasting(({ g, a, b, dy }) => [() => op.mul(g, dy, b), () => op.mul(g, dy, a)]),
  // y = a/b: da = dy/b, db = −dy∘y/b
  Div: broadcasting(({ g, b, y, dy }) => [
    () => op.div(g, dy, b),
    () => op.neg(g, op.div(g, op.mul(g, dy, y), b)),
  ]),
  // y = −a: da = −dy
  Neg: plain(({ g, dy }) => [() => op.neg(g, dy)]),
  // y = |a|: da = dy∘sign(a)
  Abs: plain(({ g, a, dy }) => [() => op.mul(g, dy, g.value("Sign", [a]))]),
  // y = 1/a: da = −dy∘y²
  Reciprocal: plain(({ g, y, dy }) => [() => op.neg(g, op.mul(g, dy, op.mul(g, y, y)))]),
  // y = √a: da = dy/(2y)
  Sqrt: plain((b) => [() => op.div(b.g, b.dy, op.add(b.g, b.y, b.y))]),
  // y = eᵃ: da = dy∘y
  Exp: plain(({ g, y, dy }) => [() => op.mul(g, dy, y)]),
  // y = ln a: da = dy/a
  Log: plain(({ g, a, dy }) => [() => op.div(g, dy, a)]),
  // y = sin a: da = dy∘cos a
  Sin: plain(({ g, a, dy }) => [() => op.mul(g, dy, g.value("Cos", [a]))]),
  // y = cos a: da = −dy∘sin a
  Cos: plain(({ g, a, dy }) => [() => op.neg(g, op.mul(g, dy, g.value("Sin", [a])))]),
  // y = tanh a: da = dy∘(1 − y²)
  Tanh: plain((b) => [() => op.mul(b.g, b.dy, op.sub(b.g, one(b), op.mul(b.g, b.y, b.y)))]),
  // y = σ(a): da = dy∘y∘(1 − y)
  Sigmoid: plain((b) => [() => op.mul(b.g, b.dy, op.mul(b.g, b.y, op.sub(b.g, one(b), b.y)))]),
  // y = max(a, 0): da = dy∘[y > 0]
  Relu: plain((b) => {
    const zero = constant(b, 0, b.a);
    return [() => op.where(b.g, op.greater(b.g, b.y, zero), b.dy, zero)];
  }),
  // y = aᵇ: da = dy∘b∘aᵇ⁻¹, db = dy∘y∘ln a (for a > 0)
  Pow: broadcasting((back) => {
    const { g, facts, a, y, dy } = back;
    const type = facts.type(a) ?? "float32";
    const b = facts.type(back.b) === type ? back.b : op.cast(g, back.b, type);
    const typedBack = (value: string): string =>
      facts.type(back.b) === type ? value : op.cast(g, value, facts.type(back.b) ?? "float32");
    return [
      () => op.mul(g, dy, op.mul(g, b, g.value("Pow", [a, op.sub(g, b, one(back))]))),
      () => typedBack(op.mul(g, dy, op.mul(g, y, op.log(g, a)))),
    ];
  }),
  Max: broadcasting(extreme),
  Min: broadcasting(extreme),
  // y = b where a, else c: db = dy where a, else 0; dc = 0 where a, else dy
  Where: broadcasting((back) => {
    const zero = constant(back, 0, back.dy);
    return [
      null,
      () => op.where(back.g, back.a, back.dy, zero),
      () => op.where(back.g, back.a, zero, back.dy),
    ];
  }),
  // y = a in another floating type: da = dy in a's
  Cast: plain(({ g, facts, a, dy }) => [() => op.cast(g, dy, facts.type(a) ?? "float32")]),
  Identity: plain(({ dy }) => [() => dy]),
} as const;
