// The calibration graph: the decoder with the largest magnitude of each input channel of its linear layers as outputs, from
// which weights and inputs are smoothed before quantisation.

import type { Model } from "../onnx/graph.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { decoder } from "./decoder.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import { servingContext } from "./serving-context.ts";
import { stepInputs, type WeightLoader } from "./serving-graph.ts";

/** The inputs of every linear layer: the first module that takes each, and its width. */
export function observedInputs(config: DecoderConfig): ReadonlyMap<string, number> {
  const { hiddenSize } = config;
  const inputs = new Map<string, number>();
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    inputs.set(`${prefix}.self_attn.q_proj`, hiddenSize);
    inputs.set(`${prefix}.self_attn.o_proj`, config.heads * config.headSize);
    inputs.set(`${prefix}.mlp.gate_proj`, hiddenSize);
    inputs.set(`${prefix}.mlp.down_proj`, config.intermediateSize);
  }
  return inputs;
}

/** input_ids int64 [1, S], lengths int32 [1] (S − 1), total_length int32 [] (S), caches [1, heads, capacity, D] → for
 * each of `observedInputs` float32 [K], under its name */
export function calibrationGraph(config: DecoderConfig, load: WeightLoader): Model {
  const g = new GraphBuilder();
  const weights = load(g);
  const { ids, lengths, totalLength } = stepInputs(g, config, weights.floats);
  const widths = observedInputs(config);
  const observe = (name: string, x: string): void => {
    const attributes = { keepdims: 0 };
    g.node("ReduceMax", [g.value("Abs", [x]), g.ints([0])], { attributes, outputs: [name] });
    g.output(name, "float32", [widths.get(name) ?? "channels"]);
  };
  const observed = {
    ...weights,
    linears: (modules: readonly string[]) => {
      const [first = ""] = modules;
      return weights
        .linears(modules)
        .map((group, index) =>
          index === 0 ? { ...group, observe: (x: string) => observe(first, x) } : group,
        );
    },
  };
  const context = servingContext(g, ids, config, weights, {
    batchShape: op.shape(g, ids),
    lengths,
    totalLength,
  });
  decoder(g, ids, config, observed, context);
  return g.build("magdi_calibration");
}
