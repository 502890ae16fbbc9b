// Gradients of operators that only move values: each cotangent goes back to where its value came from, and is summed where
// one value went to several places.

import { isDeepStrictEqual } from "node:util";
import { intAttribute, intsAttribute, type Value } from "../graph.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import * as op from "../operators.ts";
import { type Backward, broadcasting, plain, type Rule, unsupported } from "./rule.ts";

const zeros = ({ g, facts }: Backward, shape: Value, like: Value): Value =>
  op.zeros(g, shape, facts.type(like) === "float64" ? "float64" : "float32");

/** The value before a chain of reshapes: ONNX Runtime cannot open a graph in which a Reshape to a computed shape is followed
 * directly by one to a constant shape. */
function beforeReshapes(g: GraphBuilder, x: Value): Value {
  const producer = g.producerOf(x);
  const reshapes = producer !== null && /^(Reshape|Squeeze|Unsqueeze|Flatten)$/.test(producer.operator);
  return reshapes ? beforeReshapes(g, producer.inputs[0] ?? "") : x;
}

/** dy → the same values in the shape of x, a constant where at most one of its sizes is unknown */
function reshapeLike({ g, facts }: Backward, arrived: Value, x: Value): Value {
  const dy = beforeReshapes(g, arrived);
  if (isDeepStrictEqual(facts.shape(dy), facts.shape(x)) && facts.shape(x) !== null) return dy;
  const shape = facts.shape(x);
  const sizes = shape?.map((size) => (typeof size === "number" ? size : -1));
  const constant = sizes !== undefined && !sizes.includes(0) && sizes.filter((size) => size < 0).length <= 1;
  return constant ? op.reshape(g, dy, sizes) : op.reshapeTo(g, dy, op.shape(g, x));
}

const reshaped: Rule = (back) => [() => reshapeLike(back, back.dy, back.a)];

/** y = x[..., indices, ...]: dx = 0 with each row of dy added to the row it came from. By ScatterElements, which runs in one
 * thread: in ScatterND, rows of the same index would race. */
const gathered: Rule = (back) => {
  const { g, facts, node, a, b, dy } = back;
  return [
    () => {
      const rank = facts.shape(a)?.length;
      if (rank === undefined) throw unsupported(node, `the rank of ${a} is not known before the graph runs`);
      const axis = intAttribute(node, "axis", 0);
      const at = axis < 0 ? axis + rank : axis;
      const shape = op.shape(g, a);
      const sizes = (start: number, end: number): Value[] =>
        start === end ? [] : [g.value("Slice", [shape, g.ints([start]), g.ints([end])])];
      const rowShape = [...sizes(0, at), g.ints([-1]), ...sizes(at + 1, rank)];
      const rows = op.reshapeTo(g, dy, op.concatenate(g, rowShape));
      const along = Array.from({ length: rank }, (_, dimension) => (dimension === at ? -1 : 1));
      const indices = op.expand(g, op.reshape(g, b, along), op.shape(g, rows));
      return op.scatterAdd(g, zeros(back, shape, a), indices, rows, at);
    },
  ];
};

export const SHAPES = {
  // y = x with its dimensions in the order p: dx = dy in the order p⁻¹
  Transpose: plain(({ g, node, dy }) => {
    const perm = intsAttribute(node, "perm");
    if (perm === null) return [() => g.value("Transpose", [dy])];
    return [
      () =>
        op.transpose(
          g,
          dy,
          perm.map((_, axis) => perm.indexOf(axis)),
        ),
    ];
  }),
  Reshape: plain(reshaped),
  Flatten: plain(reshaped),
  Squeeze: plain(reshaped),
  Unsqueeze: plain(reshaped),
  // y = x broadcast: dx = Σ dy over the broadcast axes
  Expand: broadcasting(({ dy }) => [() => dy]),
  // y = x₁, x₂, … concatenated: each dxᵢ is its part of dy
  Concat: plain(({ g, facts, node, dy }) => {
    const axis = intAttribute(node, "axis", 0);
    let parts: readonly Value[] | null = null;
    const split = (): readonly Value[] => {
      const known = node.inputs.map((x) => facts.shape(x)?.at(axis));
      const size = (x: Value): Value => op.gather(g, op.shape(g, x), g.ints([axis]), 0);
      const sizes = known.every((size) => typeof size === "number")
        ? g.ints(known)
        : op.concatenate(g, node.inputs.map(size));
      const outputs = node.inputs.map((_, index) => g.name(`Split.${index}`));
      return g.node("Split", [dy, sizes], { attributes: { axis }, outputs });
    };
    return node.inputs.map((_, index) => () => {
      parts ??= split();
      return parts[index] ?? "";
    });
  }),
  // y₁, y₂, … = parts of x: dx = dy₁, dy₂, … concatenated
  Split: plain((back) => {
    const { g, node, a, cotangents } = back;
    const part = (y: Value, index: number): Value => cotangents[index] ?? zeros(back, op.shape(g, y), a);
    const axis = intAttribute(node, "axis", 0);
    return [() => g.value("Concat", node.outputs.map(part), { attributes: { axis } })];
  }),
  Gather: plain(gathered),
  // y[i] = x[index[i]] along an axis: dx = 0 with dy[i] added at index[i]
  GatherElements: plain((back) => {
    const { g, node, a, b, dy } = back;
    return [() => op.scatterAdd(g, zeros(back, op.shape(g, a), a), b, dy, intAttribute(node, "axis", 0))];
  }),
  // y = x with each u[i] added at index[i]: dx = dy, du[i] = dy[index[i]]
  ScatterElements: plain(({ g, node, b, dy }) => {
    const { reduction } = node.attributes;
    if (reduction !== "add") throw unsupported(node, "its reduction is not add");
    return [() => dy, null, () => op.gatherElements(g, dy, b, intAttribute(node, "axis", 0))];
  }),
} as const;
