// The inputs of each layer's matrix products on calibration texts, for GPTQ: computed one layer at a time, so that only
// one is in memory, and through the layers before it as they were quantised.

import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type LayerLoader, layerGraph, productInputs } from "../nn/gptq-layer-graph.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { OrtTensor } from "../runtime/ort-tensor.ts";
import { Binding, Session } from "../runtime/session.ts";
import { type BaseModel, finiteFloats } from "./base-model.ts";
import { MatrixProduct } from "./matrix-product.ts";

/** Correlations of an input X [T, K]. */
export interface ObservedInput {
  /** Xᵀ·X [K, K] */
  readonly gram: Float64Array;
  readonly columns: number;
  readonly product: MatrixProduct;
}

const MAX_SEQUENCE_TOKENS = 256;

/** Sequences in a batch. */
const BATCH = 4;

/** A tensor as float32 inside the graph, without a data file. */
function inlineFloats(g: GraphBuilder, base: BaseModel, name: string) {
  const { shape } = base.tensors.get(name)!; // checked against the configuration
  const values = finiteFloats(base, name);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return g.initializer(name, { type: "float32", shape, data: { kind: "inline", bytes } });
}

/** A layer's weights unquantised. */
const floatLayer =
  (base: BaseModel): LayerLoader =>
  (g) => ({
    linears: (modules) =>
      modules.map((module) => {
        const [rows = 0, columns = 0] = base.tensors.get(`${module}.weight`)!.shape; // checked as above
        const weight = inlineFloats(g, base, `${module}.weight`);
        const bias = base.tensors.has(`${module}.bias`) ? inlineFloats(g, base, `${module}.bias`) : null;
        return { rows: [rows], weight: { kind: "float", floats: "float32", weight, rows, columns }, bias };
      }),
    vector: (name) => inlineFloats(g, base, name),
  });

/** A layer as written: `load` names data files in `folder`. */
export interface WrittenLayer {
  readonly load: LayerLoader;
  readonly folder: string;
}

export class LayerInputs {
  readonly #base: BaseModel;
  readonly #threads: number;
  readonly #product: MatrixProduct;
  readonly #length: number;
  /** The residual stream before the next layer, in batches [sequences, length, hidden size]. */
  #streams: OrtTensor<"float32">[];

  /** `tokens` are split into sequences of equal length. */
  static async open(base: BaseModel, tokens: Int32Array, threads: number): Promise<LayerInputs> {
    return new LayerInputs(base, tokens, threads, await MatrixProduct.open(threads));
  }

  private constructor(base: BaseModel, tokens: Int32Array, threads: number, product: MatrixProduct) {
    this.#base = base;
    this.#threads = threads;
    this.#product = product;
    const count = Math.ceil(tokens.length / Math.min(MAX_SEQUENCE_TOKENS, base.config.positions));
    this.#length = Math.floor(tokens.length / count);
    const { hiddenSize } = base.config;
    const embedding = finiteFloats(base, "model.embed_tokens.weight");
    this.#streams = [];
    for (let first = 0; first < count; first += BATCH) {
      const rows = Math.min(BATCH, count - first) * this.#length;
      const stream = OrtTensor.zeros("float32", [rows, hiddenSize]);
      for (let row = 0; row < rows; row++) {
        const id = tokens[first * this.#length + row]!;
        stream.data.set(embedding.subarray(id * hiddenSize, (id + 1) * hiddenSize), row * hiddenSize);
      }
      this.#streams.push(stream);
    }
  }

  /** The inputs of the layer's products, each by the first module that takes it.
   * @throws MagdiError MAGDI_RUNTIME when the layer cannot be run */
  async observe(layer: number): Promise<ReadonlyMap<string, ObservedInput>> {
    const options = { positions: this.#length, grams: true };
    const graph = encodeModel(layerGraph(this.#base.config, layer, floatLayer(this.#base), options));
    const widths = productInputs(this.#base.config, layer);
    const sums = new Map([...widths].map(([name, width]) => [name, new Float64Array(width * width)]));
    const parts = Object.fromEntries(
      [...widths].map(([name, width]) => [name, OrtTensor.zeros("float32", [width, width])]),
    );
    const session = await this.#open(layer, graph);
    try {
      for (const stream of this.#streams) {
        await this.#run(session, stream, parts);
        for (const [name, { data }] of Object.entries(parts)) {
          const sum = sums.get(name)!; // made from the same names
          for (let i = 0; i < sum.length; i++) sum[i]! += data[i]!;
        }
      }
    } finally {
      session.close();
      for (const part of Object.values(parts)) part.release();
    }
    const product = this.#product;
    return new Map([...sums].map(([name, gram]) => [name, { gram, columns: widths.get(name)!, product }]));
  }

  /** Runs the layer, as written or unquantised, so that the next one can be observed. */
  async advance(layer: number, written: WrittenLayer | null): Promise<void> {
    const options = { positions: this.#length, grams: false };
    const load = written?.load ?? floatLayer(this.#base);
    const graph = encodeModel(layerGraph(this.#base.config, layer, load, options));
    const file = path.join(written?.folder ?? "", "layer.onnx");
    if (written !== null) writeFileSync(file, graph);
    try {
      const session = await this.#open(layer, written === null ? graph : file);
      try {
        for (const [index, stream] of this.#streams.entries()) {
          const after = OrtTensor.zeros("float32", stream.shape);
          await this.#run(session, stream, { after });
          stream.release();
          this.#streams[index] = after;
        }
      } finally {
        session.close();
      }
    } finally {
      if (written !== null) rmSync(file, { force: true });
    }
  }

  #open(layer: number, graph: Uint8Array | string): Promise<Session> {
    return Session.open(graph, { label: `layer ${layer}`, threads: this.#threads });
  }

  async #run(
    session: Session,
    before: OrtTensor<"float32">,
    outputs: Readonly<Record<string, OrtTensor>>,
  ): Promise<void> {
    const shape = OrtTensor.zeros("int64", [before.shape[0]! / this.#length, this.#length]);
    try {
      await session.run(new Binding({ shape, before }, outputs));
    } finally {
      shape.release();
    }
  }

  close(): void {
    for (const stream of this.#streams) stream.release();
    this.#product.close();
  }
}
