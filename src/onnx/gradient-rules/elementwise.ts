// Gradients of elementwise operators. dy is the cotangent of y; ∘ is the elementwise product.

import * as op from "../operators.ts";
import { type Backward, broadcasting, constant, plain } from "./rule.ts";

const one = (b: Backward): string => constant(b, 1, b.a);

export const ELEMENTWISE = {
  // y = a + b: da = dy, db = dy
  Add: broadcasting(({ dy }) => [() => dy, () => dy]),
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
  // y = √a: da = dy/(2y)
  Sqrt: plain((b) => [() => op.div(b.g, b.dy, op.add(b.g, b.y, b.y))]),
  // y = eᵃ: da = dy∘y
  Exp: plain(({ g, y, dy }) => [() => op.mul(g, dy, y)]),
  // y = ln a: da = dy/a
  Log: plain(({ g, a, dy }) => [() => op.div(g, dy, a)]),
  // y = tanh a: da = dy∘(1 − y²)
  Tanh: plain((b) => [() => op.mul(b.g, b.dy, op.sub(b.g, one(b), op.mul(b.g, b.y, b.y)))]),
  // y = σ(a): da = dy∘y∘(1 − y)
  Sigmoid: plain((b) => [() => op.mul(b.g, b.dy, op.mul(b.g, b.y, op.sub(b.g, one(b), b.y)))]),
  // y = max(a, 0): da = dy∘[y > 0]
  Relu: plain((b) => {
    const zero = constant(b, 0, b.a);
    return [() => op.where(b.g, op.greater(b.g, b.y, zero), b.dy, zero)];
  }),
  // y = b where a, else c: db = dy where a, else 0; dc = 0 where a, else dy
  Where: broadcasting((back) => {
    const zero = constant(back, 0, back.dy);
    return [
      null,
      () => op.where(back.g, back.a, back.dy, zero),
      () => op.where(back.g, back.a, zero, back.dy),
    ];
  }),
  // y = a in another floating-point type: da = dy in the type of a
  Cast: plain(({ g, facts, a, dy }) => [() => op.cast(g, dy, facts.type(a) ?? "float32")]),
  Identity: plain(({ dy }) => [() => dy]),
} as const;
