// Copies the arrays of a batch into tensors: an array of the caller's may be in V8's heap, where it can move.

import { OrtTensor } from "../../runtime/ort-tensor.ts";

/** values [product of shape] */
export function floatTensor(shape: readonly number[], values: ArrayLike<number>): OrtTensor<"float32"> {
  const tensor = OrtTensor.zeros("float32", shape);
  tensor.data.set(values);
  return tensor;
}

/** values [product of shape] */
export function integerTensor(shape: readonly number[], values: ArrayLike<bigint>): OrtTensor<"int64"> {
  const tensor = OrtTensor.zeros("int64", shape);
  tensor.data.set(values);
  return tensor;
}
