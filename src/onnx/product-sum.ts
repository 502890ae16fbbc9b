// Fuses a matrix product and the sum that it is added to into one Gemm, which saves a pass over both.

import { floatAttribute, intAttribute, type Value } from "./graph.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import * as op from "./operators.ts";

/** sum + product, both float32 [M, N]. When the product is the newest node, the result is a Gemm of its factors, and the
 * product's own node is left for GraphBuilder.prune to drop. */
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
