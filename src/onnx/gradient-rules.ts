// The table of gradient rules: one entry for every operator of our graphs.

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
  // Their outputs do not depend on values, or are piecewise constant.
  ConstantOfShape: "steps",
  Equal: "steps",
  Greater: "steps",
  Less: "steps",
  NonZero: "steps",
  Or: "steps",
  Shape: "steps",
  Size: "steps",
  // On no path from a parameter to a loss: operators of serving graphs alone, and of masks and indices.
  Attention: "unsupported",
  Candidates: "unsupported",
  GatherBlockQuantized: "unsupported",
  GroupQueryAttention: "unsupported",
  Linear: "unsupported",
  MatMulNBits: "unsupported",
  Range: "unsupported",
  ScatterND: "unsupported",
  SkipSimplifiedLayerNormalization: "unsupported",
  Slice: "unsupported",
  TopK: "unsupported",
};

/** The rule for a node; "unsupported" for one that is not in the table at all. */
export function entryFor(node: Node): TableEntry {
  const known = (operator: string): operator is Operator => Object.hasOwn(RULES, operator);
  return known(node.operator) ? RULES[node.operator] : "unsupported";
}
