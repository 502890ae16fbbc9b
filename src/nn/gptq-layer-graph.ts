// One decoder layer as a graph of its own: the residual stream after it, and the Gram matrices of its linear layers' inputs,
// by which error-compensating quantisation rounds their weights.

import type { Model } from "../onnx/graph.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { decoderLayer } from "./decoder.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import type { LayerWeights } from "./decoder-weights.ts";
import { rotaryTables } from "./rope.ts";
import { trainingContext } from "./training-context.ts";

/** Puts a layer's weights into a graph; called once a graph. */
export type LayerLoader = (g: GraphBuilder) => LayerWeights;

/** The inputs of a layer's linear layers: the first module that takes each, and its width. */
export function productInputs(config: DecoderConfig, layer: number): ReadonlyMap<string, number> {
  const prefix = `model.layers.${layer}`;
  return new Map([
    [`${prefix}.self_attn.q_proj`, config.hiddenSize],
    [`${prefix}.self_attn.o_proj`, config.heads * config.headSize],
    [`${prefix}.mlp.gate_proj`, config.hiddenSize],
    [`${prefix}.mlp.down_proj`, config.intermediateSize],
  ]);
}

export interface LayerGraphOptions {
  /** The longest T. */
  readonly positions: number;
  /** Whether the graph computes the Gram matrix Xᵀ·X of each linear layer's inputs X [B·T, K]. */
  readonly grams: boolean;
}

/** shape int64 [B, T] (only its shape is used), before float32 [B·T, C] → after [B·T, C], and with `grams` float32 [K, K]
 * under the name of each of `productInputs` */
export function layerGraph(
  config: DecoderConfig,
  layer: number,
  load: LayerLoader,
  { positions, grams }: LayerGraphOptions,
): Model {
  const g = new GraphBuilder();
  const ids = g.input("shape", "int64", ["batch_size", "sequence_length"]);
  const before = g.input("before", "float32", ["tokens", config.hiddenSize]);
  const tables = rotaryTables({ ...config, positions });
  const table = (name: "cosine" | "sine") =>
    g.initializer(`rotary.${name}`, {
      type: "float32",
      shape: [positions, config.headSize / 2],
      data: { kind: "inline", bytes: new Uint8Array(tables[name].buffer) },
    });
  const context = trainingContext(g, ids, config, { cosine: table("cosine"), sine: table("sine") }, false);
  const stored = load(g);
  const inputs = productInputs(config, layer);
  const observe = (name: string, x: string): void => {
    const gram = op.fusedMatMul(g, x, x, { transA: true });
    g.node("Identity", [gram], { outputs: [name] });
    const width = inputs.get(name) ?? "channels";
    g.output(name, "float32", [width, width]);
  };
  const weights: LayerWeights = {
    ...stored,
    linears: (modules) => {
      const [first = ""] = modules;
      const groups = stored.linears(modules);
      if (!grams) return groups;
      return groups.map((group, index) =>
        index === 0 ? { ...group, observe: (x: string) => observe(first, x) } : group,
      );
    },
  };
  const norm = `model.layers.${layer}.input_layernorm`;
  const x = g.scoped(norm, () =>
    context.norm(g, before, weights.vector(`${norm}.weight`), config.normEpsilon),
  );
  const { fed, residual } = decoderLayer(g, x, before, layer, config, weights, context);
  g.node("Add", [fed, residual], { outputs: ["after"] });
  g.output("after", "float32", ["tokens", config.hiddenSize]);
  g.pruneUnused();
  return g.build("magdi_layer");
}
