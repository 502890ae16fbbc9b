// ONNX's element types by name, with their numbers in TensorProto.DataType.

export const DATA_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
} as const;
export type DataType = keyof typeof DATA_TYPES;

/** The types that activations, and so keys and values, are computed in. */
export type FloatType = "float32" | "float16";
/** Bytes per element. */
export const FLOAT_BYTES: Readonly<Record<FloatType, number>> = { float32: 4, float16: 2 };
