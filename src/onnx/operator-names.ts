// The operators that our graphs are made of. The table of gradient rules must have an entry for each: a new operator
// does not compile until its derivative is stated.

/** ONNX's own; SimplifiedLayerNormalization is ONNX Runtime's under ONNX's domain. */
export type OnnxOperator =
  | "Add"
  | "Cast"
  | "Concat"
  | "ConstantOfShape"
  | "Div"
  | "Equal"
  | "Exp"
  | "Expand"
  | "Flatten"
  | "Gather"
  | "GatherElements"
  | "Gemm"
  | "Greater"
  | "Identity"
  | "Less"
  | "Log"
  | "MatMul"
  | "Mul"
  | "Neg"
  | "NonZero"
  | "Or"
  | "Range"
  | "ReduceMax"
  | "ReduceMean"
  | "ReduceSum"
  | "Relu"
  | "Reshape"
  | "ScatterElements"
  | "ScatterND"
  | "Shape"
  | "Sigmoid"
  | "SimplifiedLayerNormalization"
  | "Size"
  | "Slice"
  | "Softmax"
  | "Split"
  | "Sqrt"
  | "Squeeze"
  | "Sub"
  | "Tanh"
  | "TopK"
  | "Transpose"
  | "Unsqueeze"
  | "Where";

/** ONNX Runtime's, in the domain com.microsoft. */
export type MicrosoftOperator =
  | "FusedMatMul"
  | "GatherBlockQuantized"
  | "GroupQueryAttention"
  | "MatMulNBits"
  | "QuickGelu"
  | "RotaryEmbedding"
  | "SkipSimplifiedLayerNormalization";

/** Our own, in the domain magdi: see native/. "Linear" is the quantised product with what stands before and after it. */
export type OwnOperator = "Attention" | "Candidates" | "Linear";

export type Operator = OnnxOperator | MicrosoftOperator | OwnOperator;
