// What a gradient rule is: from a node and the cotangents of its outputs to the cotangent of each input, made only
// if it is asked for.

import { MagdiError } from "../../base/errors.ts";
import type { Node, Value } from "../graph.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import type { ValueFacts } from "../value-facts.ts";

/** One node on the way back. */
export interface Backward {
  readonly g: GraphBuilder;
  readonly facts: ValueFacts;
  readonly node: Node;
  /** The first two inputs; "" where the node has none. */
  readonly a: Value;
  readonly b: Value;
  /** The first output, and its cotangent: zeros when only another output leads to the loss. */
  readonly y: Value;
  readonly dy: Value;
  /** The cotangent of each output; null where it does not lead to the loss. */
  readonly cotangents: readonly (Value | null)[];
  /** The one node that uses y and leads to the loss, on its way back; null where there are several. */
  readonly onlyUse: () => Backward | null;
  /** A value that several nodes' derivatives share, made when first asked for. */
  readonly once: (key: string, make: () => Value) => Value;
}

/** Appends the nodes of one input's cotangent. */
export type Cotangent = () => Value;

/** A function for each input that has a gradient. The walk calls those that lead to a parameter. */
export type Rule = (backward: Backward) => readonly (Cotangent | null)[];

export interface RuleEntry {
  readonly rule: Rule;
  /** Inputs broadcast, and the rule may leave their cotangents in the output's shape. */
  readonly broadcasts: boolean;
}

/** `steps`: the outputs change in steps or not at all, so that nothing flows back. */
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
