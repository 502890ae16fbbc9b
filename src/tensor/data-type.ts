// ONNX's element types: TensorProto.DataType by name, as graphs, the runtime and data files of them say it.

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

/** What a student's activations, and so its keys and values, are computed in. */
export type FloatType = "float32" | "float16";
/** Bytes of one. */
export const FLOAT_BYTES: Readonly<Record<FloatType, number>> = { float32: 4, float16: 2 };
