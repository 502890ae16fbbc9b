// Arrays of a batch as tensors of a device. They are copied: what a caller hands over may lie in V8's moving heap.

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
