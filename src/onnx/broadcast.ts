// Reduces the cotangent of a broadcast operand to the operand's shape: the sum over the axes that it was broadcast along,
// which are known from the shapes or else found at run time.

import type { Value } from "./graph.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import type { Shape, ValueFacts } from "./shape-inference.ts";

/** The axes of `from` that `to` was broadcast along: those that `to` lacks, and those where it has size 1; null when
 * sizes known by name do not tell. */
function repeatedAxes(from: Shape, to: Shape): { leading: number[]; ones: number[] } | null {
  const extra = from.length - to.length;
  if (extra < 0) return null;
  const ones: number[] = [];
  for (let axis = extra; axis < from.length; axis++) {
    const [wide, narrow] = [from[axis], to[axis - extra]];
    if (wide === narrow) continue;
    if (narrow !== 1) return null;
    ones.push(axis);
  }
  return { leading: Array.from({ length: extra }, (_, axis) => axis), ones };
}

function sum(g: GraphBuilder, x: Value, axes: Value, keepDimensions: boolean): Value {
  const attributes = { keepdims: keepDimensions ? 1 : 0, noop_with_empty_axes: 1 };
  return g.value("ReduceSum", [x, axes], { attributes });
}

/** As undoBroadcast, over the axes where the operand's shape, padded with ones on the left, is 1. */
function undoAtRunTime(g: GraphBuilder, cotangent: Value, operand: Value): Value {
  const rank = (x: Value): Value => g.value("Shape", [g.value("Shape", [x])]);
  const shape = g.value("Shape", [operand]);
  const one = {
    tensor: {
      type: "int64",
      shape: [1],
      data: { kind: "inline", bytes: new Uint8Array(BigInt64Array.of(1n).buffer) },
    },
  } as const;
  const missing = g.value("Sub", [rank(cotangent), rank(operand)]);
  const left = g.value("ConstantOfShape", [missing], { attributes: { value: one } });
  const filled = g.value("Concat", [left, shape], { attributes: { axis: 0 } });
  const axes = g.value("NonZero", [g.value("Equal", [filled, g.ints(1)])]);
  const summed = sum(g, cotangent, g.value("Squeeze", [axes, g.ints([0])]), true);
  return g.value("Reshape", [summed, shape]);
}

/** cotangent, of a shape that `operand` broadcasts to → its sum in the operand's own shape */
export function undoBroadcast(g: GraphBuilder, facts: ValueFacts, cotangent: Value, operand: Value): Value {
  const [from, to] = [facts.shape(cotangent), facts.shape(operand)];
  const repeated = from && to && repeatedAxes(from, to);
  if (repeated === null) return undoAtRunTime(g, cotangent, operand);
  const { leading, ones } = repeated;
  if (leading.length + ones.length === 0) return cotangent;
  if (leading.length === 0) return sum(g, cotangent, g.ints(ones), true);
  const summed = sum(g, cotangent, g.ints([...leading, ...ones]), ones.length > 0);
  return ones.length === 0 ? summed : g.value("Squeeze", [summed, g.ints(leading)]);
}
