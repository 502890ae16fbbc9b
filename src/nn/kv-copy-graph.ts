// The graph that copies keys and values of tokens between device buffers, in place. It sees vectors and their indices, no
// cache rows or requests.

import { encodeModel } from "../onnx/encode.ts";
import type { DataType } from "../onnx/graph.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";

/** For each of `buffers`: source.{i} [N, D], target.{i} [M, D]; from int64 [n], to int64 [n, 1] → result.{i} [M, D],
 * the target with vector to[j] replaced by the source's vector from[j]. Bound to the target's memory, only the n vectors are
 * written; all are read first. Returns the encoded model. */
export function tokenCopyGraph(buffers: number, headSize: number, type: DataType): Uint8Array {
  const g = new GraphBuilder();
  const from = g.input("from", "int64", ["vectors"]);
  const to = g.input("to", "int64", ["vectors", 1]);
  for (let i = 0; i < buffers; i++) {
    const source = g.input(`source.${i}`, type, ["source_vectors", headSize]);
    const target = g.input(`target.${i}`, type, ["target_vectors", headSize]);
    const copied = op.gather(g, source, from, 0);
    g.node("ScatterND", [target, to, copied], { outputs: [`result.${i}`] });
    g.output(`result.${i}`, type, ["target_vectors", headSize]);
  }
  return encodeModel(g.build("magdi_token_copy"));
}
