// Products of matrices by ONNX Runtime, on all threads.

import { encodeModel } from "../onnx/encode.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { OrtTensor } from "../runtime/ort-tensor.ts";
import { Binding, Session } from "../runtime/session.ts";

/** a [rows, inner], b [columns, inner] → a·bᵀ [rows, columns] */
function openProduct(type: "float32" | "float64", threads: number): Promise<Session> {
  const g = new GraphBuilder();
  const a = g.input("a", type, ["rows", "inner"]);
  const b = g.input("b", type, ["columns", "inner"]);
  // FusedMatMul reads b as it lies, but has no kernel for float64.
  const product =
    type === "float32"
      ? op.fusedMatMul(g, a, b, { transB: true })
      : op.matMul(g, a, op.transpose(g, b, [1, 0]));
  g.node("Identity", [product], { outputs: ["product"] });
  g.output("product", type, ["rows", "columns"]);
  const model = encodeModel(g.build("magdi_product"));
  return Session.open(model, { label: "matrix product", threads, memoryPattern: false });
}

export class MatrixProduct {
  readonly #single: Session;
  readonly #double: Session;

  private constructor(single: Session, double: Session) {
    this.#single = single;
    this.#double = double;
  }

  static async open(threads: number): Promise<MatrixProduct> {
    return new MatrixProduct(await openProduct("float32", threads), await openProduct("float64", threads));
  }

  /** a [rows, inner], b [columns, inner], both over ArrayBuffers of their own → a·bᵀ [rows, columns] */
  async transposed(a: Float32Array, b: Float32Array, inner: number): Promise<Float32Array> {
    const shapes = [a.length / inner, b.length / inner] as const;
    const product = OrtTensor.zeros("float32", shapes);
    await run(
      this.#single,
      new OrtTensor("float32", [shapes[0], inner], a),
      new OrtTensor("float32", [shapes[1], inner], b),
      product,
    );
    return product.data;
  }

  /** The same in float64. */
  async inDouble(a: Float64Array, b: Float64Array, inner: number): Promise<Float64Array> {
    const shapes = [a.length / inner, b.length / inner] as const;
    const product = OrtTensor.zeros("float64", shapes);
    await run(
      this.#double,
      new OrtTensor("float64", [shapes[0], inner], a),
      new OrtTensor("float64", [shapes[1], inner], b),
      product,
    );
    return product.data;
  }

  close(): void {
    this.#single.close();
    this.#double.close();
  }
}

async function run(session: Session, a: OrtTensor, b: OrtTensor, product: OrtTensor): Promise<void> {
  try {
    await session.run(new Binding({ a, b }, { product }));
  } finally {
    for (const tensor of [a, b, product]) tensor.release();
  }
}
