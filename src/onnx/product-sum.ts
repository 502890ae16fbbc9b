// A product of matrices and what it is added to, as one operator: one pass less over both.

import { floatAttribute, intAttribute, type Value } from "./graph.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import * as op from "./operators.ts";

/** sum + product, both float32 [M, N]. Where the newest node is the product, its factors are multiplied in the same
 * operator, and the product itself is left for GraphBuilder.prune to drop. */
export function plusProduct(g: GraphBuilder, sum: Value, product: Value): Value {
  const node = g.nodes.at(-1);
  if (node === undefined || node.outputs[0] !== product || !/^(Fused)?MatMul$/.test(node.operator)) {
    return op.add(g, sum, product);
  }
  const [a = "", b = ""] = node.inputs;
  const options = {
    transA: intAttribute(node, "transA", 0) === 1,
    transB: intAttribute(node, "transB", 0) === 1,
  };
  return op.gemm(g, a, b, sum, { ...options, alpha: floatAttribute(node, "alpha", 1) });
}
