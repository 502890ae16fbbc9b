// The table of gradient rules: one entry for every operator that graphs here are made of.

import { ELEMENTWISE } from "./gradient-rules/elementwise.ts";
import { FUSED } from "./gradient-rules/fused.ts";
import { PRODUCTS } from "./gradient-rules/products.ts";
import { REDUCTIONS } from "./gradient-rules/reductions.ts";
import type { TableEntry } from "./gradient-rules/rule.ts";
import { SHAPES } from "./gradient-rules/shapes.ts";
import type { Node } from "./graph.ts";
import type { Operator } from "./operator-names.ts";

const RULES: Readonly<Record<Operator, TableEntry>> = {
  ...ELEMENTWISE,
  ...PRODUCTS,
  ...SHAPES,
  ...REDUCTIONS,
  ...FUSED,
  // What they give does not depend on values, or jumps.
  ConstantOfShape: "steps",
  Equal: "steps",
  Greater: "steps",
  Less: "steps",
  NonZero: "steps",
  Or: "steps",
  Shape: "steps",
  Sign: "steps",
  Size: "steps",
  // Of the serving graphs, which nothing learns through; Range and TopK count and rank.
  GatherBlockQuantized: "unsupported",
  GroupQueryAttention: "unsupported",
  MatMulIntegerToFloat: "unsupported",
  MatMulNBits: "unsupported",
  DequantizeLinear: "unsupported",
  QuantizeLinear: "unsupported",
  ScatterND: "unsupported",
  Range: "unsupported",
  TopK: "unsupported",
};

/** The rule for a node; "unsupported" for one that is not in the table at all. */
export function entryFor(node: Node): TableEntry {
  const known = (operator: string): operator is Operator => Object.hasOwn(RULES, operator);
  return known(node.operator) ? RULES[node.operator] : "unsupported";
}
