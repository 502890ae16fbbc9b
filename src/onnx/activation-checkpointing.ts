// Activation checkpointing: segments of a graph whose values are computed a second time in the backward pass instead of
// being kept, which trades time for memory (Chen et al. 2016, arXiv 1604.06174). It knows no operator's derivative.

import type { Value } from "./graph.ts";
import type { GraphBuilder, NodeRange } from "./graph-builder.ts";
import * as op from "./operators.ts";
import type { ValueFacts } from "./shape-inference.ts";

/** Runs `build` and marks the nodes that it appends as one segment: their values are not kept for the backward pass, but
 * computed again from the segment's inputs when the walk reaches it. A segment within a segment joins the outer one. */
export function recomputed<T>(g: GraphBuilder, build: () => T): T {
  const start = g.nodes.length;
  const result = build();
  const before = g.recomputedSegments.filter((segment) => segment.start < start);
  g.recomputedSegments = [...before, { start, end: g.nodes.length }];
  return result;
}

/** x → x, but only once `zero` has been computed: x is reshaped to its own shape plus that zero, which copies nothing and
 * which ONNX Runtime does not optimise away. */
function after(g: GraphBuilder, facts: ValueFacts, x: Value, zero: Value): Value {
  const gated = op.reshapeTo(g, x, op.add(g, op.shape(g, x), zero));
  facts.learn(gated, facts.shape(x));
  return gated;
}

/** The segment's values that nodes behind it take: they are kept anyway. */
function keptOf(g: GraphBuilder, { start, end }: NodeRange, forwardEnd: number): Set<Value> {
  const own = new Set(g.nodes.slice(start, end).flatMap(({ outputs }) => outputs));
  const behind = g.nodes.slice(end, forwardEnd).flatMap(({ inputs }) => inputs);
  return new Set(behind.filter((value) => own.has(value)));
}

/** Appends the nodes of a segment again, to run only once `token`, any floating-point value, has been computed.
 * @param forwardEnd the number of nodes of the forward pass
 * @returns the new name of each value of the segment that was computed again */
export function computeAgain(
  g: GraphBuilder,
  facts: ValueFacts,
  segment: NodeRange,
  forwardEnd: number,
  token: Value,
): ReadonlyMap<Value, Value> {
  const nodes = g.nodes.slice(segment.start, segment.end);
  const kept = keptOf(g, segment, forwardEnd);
  const renamed = new Map<Value, Value>();
  // A zero that depends on the token: the number of values less than themselves. As a size it is computed on the CPU, where
  // every device computes shapes.
  const some = op.gather(g, op.reshape(g, token, [-1]), g.ints([0]), 0);
  const none = g.value("NonZero", [op.less(g, some, some)]);
  const zero = op.gather(g, op.shape(g, none), g.ints(1), 0);
  const own = new Set(nodes.flatMap(({ outputs }) => outputs));
  const input = (value: Value): Value => {
    const there = renamed.get(value);
    if (there !== undefined) return there;
    // Shapes and the values that they are computed from need no gate, nor do weights, which are always there.
    const rank = facts.shape(value)?.length ?? 2;
    if (value === "" || own.has(value) || g.initializers.has(value) || rank < 2) return value;
    const gated = after(g, facts, value, zero);
    renamed.set(value, gated);
    return gated;
  };
  for (const node of nodes) {
    if (node.outputs.every((output) => output === "" || kept.has(output))) continue;
    const inputs = node.inputs.map(input);
    g.scoped(node.name, () => {
      const outputs = node.outputs.map((output) => (output === "" ? "" : g.name("again")));
      g.append(node, inputs, outputs);
      node.outputs.forEach((output, index) => {
        if (output === "" || kept.has(output)) return;
        renamed.set(output, outputs[index] ?? "");
        facts.learn(outputs[index] ?? "", facts.shape(output));
      });
    });
  }
  return renamed;
}
