// The table of gradient rules: one entry for every operator that src/onnx knows, by its domain and name.

import { ELEMENTWISE } from "./gradient-rules/elementwise.ts";
import { FUSED } from "./gradient-rules/fused.ts";
import { PRODUCTS } from "./gradient-rules/products.ts";
import { REDUCTIONS } from "./gradient-rules/reductions.ts";
import type { TableEntry } from "./gradient-rules/rule.ts";
import { SHAPES } from "./gradient-rules/shapes.ts";
import type { Node } from "./graph.ts";

const { SimplifiedLayerNormalization, ...microsoft } = FUSED;

const RULES: Readonly<Record<string, TableEntry>> = {
  ...ELEMENTWISE,
  ...PRODUCTS,
  ...SHAPES,
  ...REDUCTIONS,
  SimplifiedLayerNormalization,
  "com.microsoft.SkipSimplifiedLayerNormalization": microsoft.SkipSimplifiedLayerNormalization,
  "com.microsoft.RotaryEmbedding": microsoft.RotaryEmbedding,
  "com.microsoft.QuickGelu": microsoft.QuickGelu,
  "com.microsoft.FusedMatMul": PRODUCTS.FusedMatMul,
  Sign: "steps",
  Floor: "steps",
  Shape: "steps",
  Size: "steps",
};

/** The rule for a node; "unsupported" for operators that the table does not have. */
export function entryFor(node: Node): TableEntry {
  const key = node.domain === "" ? node.operator : `${node.domain}.${node.operator}`;
  return Object.hasOwn(RULES, key) ? (RULES[key] ?? "unsupported") : "unsupported";
}
