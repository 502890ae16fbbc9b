// Products of matrices by the runtime, on all threads, for what is computed outside a student's graphs.

import { encodeModel } from "../onnx/encode.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import { OrtTensor } from "../runtime/ort-tensor.ts";
import { Binding, Session } from "../runtime/session.ts";

export class MatrixProduct {
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
  }

  static async open(threads: number): Promise<MatrixProduct> {
    const g = new GraphBuilder();
    const factors = [
      g.input("a", "float32", ["rows", "inner"]),
      g.input("b", "float32", ["columns", "inner"]),
    ];
    const attributes = { transB: 1, alpha: { float: 1 } };
    g.node("FusedMatMul", factors, { domain: "com.microsoft", attributes, outputs: ["product"] });
    g.output("product", "float32", ["rows", "columns"]);
    const model = encodeModel(g.build("magdi_product"));
    return new MatrixProduct(
      await Session.open(model, { label: "matrix product", threads, memoryPattern: false }),
    );
  }

  /** a [rows, inner], b [columns, inner], both over ArrayBuffers of their own → a·bᵀ [rows, columns] */
  async transposed(a: Float32Array, b: Float32Array, inner: number): Promise<Float32Array> {
    const tensors = {
      a: new OrtTensor("float32", [a.length / inner, inner], a),
      b: new OrtTensor("float32", [b.length / inner, inner], b),
    };
    const product = OrtTensor.zeros("float32", [a.length / inner, b.length / inner]);
    try {
      await this.#session.run(new Binding(tensors, { product }));
      return product.data;
    } finally {
      for (const tensor of [tensors.a, tensors.b, product]) tensor.release();
    }
  }

  close(): void {
    this.#session.close();
  }
}
