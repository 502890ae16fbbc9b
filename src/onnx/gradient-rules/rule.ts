// What a gradient rule is: given a node and the cotangents of its outputs, functions that append the cotangent of each
// input.

import { MagdiError } from "../../base/errors.ts";
import type { Node, Value } from "../graph.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import type { ValueFacts } from "../shape-inference.ts";

/** One node in the backward pass. */
export interface Backward {
  readonly g: GraphBuilder;
  readonly facts: ValueFacts;
  readonly node: Node;
  /** The first two inputs; "" where the node has none. */
  readonly a: Value;
  readonly b: Value;
  /** The first output, and its cotangent; "" when only another output leads to the loss. */
  readonly y: Value;
  readonly dy: Value;
  /** The cotangent of each output; null where it does not lead to the loss. */
  readonly cotangents: readonly (Value | null)[];
  /** The one node on a path to the loss that uses y; null when there are several. */
  readonly onlyUse: () => Backward | null;
  /** A value that the derivatives of several nodes share, made the first time. */
  readonly once: (key: string, make: () => Value) => Value;
}

/** Appends the nodes of one input's cotangent. */
export type Cotangent = () => Value;

/** A function for each input that has a gradient. The walk calls those of inputs that depend on a parameter. */
export type Rule = (backward: Backward) => readonly (Cotangent | null)[];

export interface RuleEntry {
  readonly rule: Rule;
  /** Whether inputs broadcast: then the rule may give cotangents in the output's shape. */
  readonly broadcasts: boolean;
}

/** "steps": the outputs are piecewise constant, so that the derivative is zero. */
export type TableEntry = RuleEntry | "steps" | "unsupported";

export const plain = (rule: Rule): RuleEntry => ({ rule, broadcasts: false });
export const broadcasting = (rule: Rule): RuleEntry => ({ rule, broadcasts: true });

export function unsupported(node: Node, why: string): MagdiError {
  const operator = node.domain === "" ? node.operator : `${node.domain}.${node.operator}`;
  return new MagdiError(
    "MAGDI_UNSUPPORTED",
    `no gradient for operator ${operator}, node ${node.name}: ${why}`,
  );
}

/** A scalar in the element type of `like`. */
export function constant({ g, facts }: Backward, value: number, like: Value): Value {
  return g.float(value, facts.type(like) === "float64" ? "float64" : "float32");
}
