// Splits joined weights into those of each module, as views of the same bytes: a product for each module saves a training
// step the split of activations in the forward pass and the concatenation of gradients in the backward pass.

import { DATA_TYPE_BYTES, elementsOf, type TensorData, type Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import type { DecoderWeights } from "./decoder-weights.ts";
import type { LinearGroup } from "./linear.ts";

/** Rows first … first + count − 1 of a tensor. */
function rowsOf(tensor: TensorData, first: number, count: number): TensorData {
  const shape = [count, ...tensor.shape.slice(1)];
  const rowBytes = elementsOf(tensor.shape.slice(1)) * DATA_TYPE_BYTES[tensor.type];
  const [start, length] = [first * rowBytes, count * rowBytes];
  const { data } = tensor;
  return data.kind === "inline"
    ? { ...tensor, shape, data: { ...data, bytes: data.bytes.subarray(start, start + length) } }
    : { ...tensor, shape, data: { ...data, offset: data.offset + start, length } };
}

function separate(g: GraphBuilder, group: LinearGroup, modules: readonly string[]): LinearGroup[] {
  const { weight, bias } = group;
  const stored = weight.kind === "float" ? g.initializers.get(weight.weight) : undefined;
  const storedBias = bias === null ? undefined : g.initializers.get(bias);
  if (weight.kind !== "float" || stored === undefined || (bias !== null && storedBias === undefined)) {
    return [group];
  }
  let first = 0;
  return group.rows.map((rows, index) => {
    const part = (name: string, tensor: TensorData): Value =>
      g.initializer(`${modules[index]}.${name}`, rowsOf(tensor, first, rows));
    const own: LinearGroup = {
      rows: [rows],
      weight: { ...weight, weight: part("weight", stored), rows },
      bias: storedBias === undefined ? null : part("bias", storedBias),
    };
    first += rows;
    return own;
  });
}

/** The same weights, where every module in floats is a group of its own. */
export function withSeparateLinears(g: GraphBuilder, weights: DecoderWeights): DecoderWeights {
  return {
    ...weights,
    linears: (modules) => {
      let next = 0;
      return weights.linears(modules).flatMap((group) => {
        const own = modules.slice(next, next + group.rows.length);
        next += own.length;
        return group.rows.length === 1 ? [group] : separate(g, group, own);
      });
    },
  };
}
