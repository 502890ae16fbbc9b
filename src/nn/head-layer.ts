// The linear layers that the training heads are built of; weights and biases are inputs of the graph, by their own names.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";

/** Shapes of a head's tensors by key. */
export type HeadShapes = ReadonlyMap<string, readonly number[]>;

/** The interaction graphs of a batch: B nodes, each a sequence of up to T tokens. */
export interface GraphNodes {
  /** Pooled [B, C] */
  readonly nodes: Value;
  /** [B·T, C] */
  readonly hidden: Value;
  /** [B, T], above 0 on real tokens */
  readonly poolingWeights: Value;
  /** [B, B], normalised: above 0 where there is an edge from the column's node to the row's */
  readonly adjacency: Value;
  /** Applied to the output [B, width] of the first layer that mixes nodes: dropout, or nothing. */
  readonly afterFirst: (x: Value) => Value;
}

/** Weight [rows, columns] and bias [rows] of the layer `name`. */
export function layerShapes(
  name: string,
  rows: number,
  columns: number,
): [key: string, shape: readonly number[]][] {
  return [
    [`${name}.weight`, [rows, columns]],
    [`${name}.bias`, [rows]],
  ];
}

/** x [B, K] → x·Wᵀ [B, N] */
export const headProduct = (g: GraphBuilder, name: string, x: Value): Value =>
  op.fusedMatMul(g, x, `${name}.weight`, { transB: true });

/** x [B, N] → x + b [B, N] */
export const headBias = (g: GraphBuilder, name: string, x: Value): Value => op.add(g, x, `${name}.bias`);

/** x [B, K] → x·Wᵀ + b [B, N] */
export const headLayer = (g: GraphBuilder, name: string, x: Value): Value =>
  headBias(g, name, headProduct(g, name, x));
