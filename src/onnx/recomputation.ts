// Parts of a graph whose values are computed again on the way back instead of being kept: time for memory (Chen et al.
// 2016, arXiv 1604.06174). It knows no operator's derivative.

import type { Value } from "./graph.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import * as op from "./operators.ts";
import type { ValueFacts } from "./value-facts.ts";

/** Nodes from `start` up to, not including, `end`. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

const PARTS = new WeakMap<GraphBuilder, Part[]>();

/** Whatever nodes `build` appends belong to one part: what they compute is forgotten after the forward pass, and
 * computed again from the part's inputs when the walk comes back to it. Parts within a part are of the outer one. */
export function recomputed<T>(g: GraphBuilder, build: () => T): T {
  const start = g.nodes.length;
  const result = build();
  const parts = (PARTS.get(g) ?? []).filter((part) => part.start < start);
  PARTS.set(g, [...parts, { start, end: g.nodes.length }]);
  return result;
}

/** The part that a node, by its place in the graph, belongs to. */
export function partsOf(g: GraphBuilder): readonly Part[] {
  return PARTS.get(g) ?? [];
}

/** x → x, but not before `token` is there: it is laid out in its own shape plus a zero that is made of the token, which
 * costs no copy and which no optimiser sees through. */
function after(g: GraphBuilder, facts: ValueFacts, x: Value, zero: Value): Value {
  const gated = op.reshapeTo(g, x, op.add(g, op.shape(g, x), zero));
  facts.learn(gated, facts.shape(x));
  return gated;
}

/** What nodes outside a part take from it: it stays, and need not be computed again. */
function keptOf(g: GraphBuilder, { start, end }: Part, forwardEnd: number): Set<Value> {
  const own = new Set(g.nodes.slice(start, end).flatMap(({ outputs }) => outputs));
  const behind = g.nodes.slice(end, forwardEnd).flatMap(({ inputs }) => inputs);
  return new Set(behind.filter((value) => own.has(value)));
}

/** Appends the nodes of a part again, to run only once `token`, any value of floats, has been computed.
 * @param forwardEnd where the forward pass ends
 * @returns the new name of each value of the part that has one */
export function computeAgain(
  g: GraphBuilder,
  facts: ValueFacts,
  part: Part,
  forwardEnd: number,
  token: Value,
): ReadonlyMap<Value, Value> {
  const nodes = g.nodes.slice(part.start, part.end);
  const kept = keptOf(g, part, forwardEnd);
  const renamed = new Map<Value, Value>();
  // How many are less than themselves: a size, which devices leave to the processor as they do all of shapes.
  const some = op.gather(g, op.reshape(g, token, [-1]), g.ints([0]), 0);
  const none = g.value("NonZero", [op.less(g, some, some)]);
  const zero = op.gather(g, op.shape(g, none), g.ints(1), 0);
  const own = new Set(nodes.flatMap(({ outputs }) => outputs));
  const input = (value: Value): Value => {
    const there = renamed.get(value);
    if (there !== undefined) return there;
    // What shapes are made of stays what it is; so do weights, which are there all the time.
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
