// What layers are said to be given, against what the whole float32 graph is given, and what knowing it is good for.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { decoder } from "../../src/nn/decoder.ts";
import type { DecoderConfig } from "../../src/nn/decoder-config.ts";
import { productInputs } from "../../src/nn/gptq-layer-graph.ts";
import { servingContext } from "../../src/nn/serving-context.ts";
import { stepInputs, type WeightLoader } from "../../src/nn/serving-graph.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import type { Model } from "../../src/onnx/graph.ts";
import { GraphBuilder } from "../../src/onnx/graph-builder.ts";
import * as op from "../../src/onnx/operators.ts";
import { OrtTensor } from "../../src/runtime/ort-tensor.ts";
import { Binding, Session } from "../../src/runtime/session.ts";
import { LayerInputs } from "../../src/student/gptq-inputs.ts";
import { openBase } from "../../src/student/open-base.ts";
import { StoredWeights } from "../../src/student/stored-weights.ts";
import { WeightFiles } from "../../src/student/weight-files.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { tinyStudent } from "../support/tiny-students.ts";

const folder = scratchFolder();

/** The whole float32 graph with the inputs [1, K] of its products as outputs, each by the first module that takes it. */
function observedGraph(config: DecoderConfig, load: WeightLoader): Model {
  const g = new GraphBuilder();
  const weights = load(g);
  const { ids, lengths, totalLength } = stepInputs(g, config, weights.floats);
  const linears: typeof weights.linears = (modules) =>
    weights.linears(modules).map((group, index) => {
      const [name = ""] = modules;
      const observe = (x: string): void => {
        g.node("Identity", [x], { outputs: [name] });
        g.output(name, "float32", ["tokens", "channels"]);
      };
      return index === 0 ? { ...group, observe } : group;
    });
  const context = servingContext(g, ids, config, weights, {
    batchShape: op.shape(g, ids),
    lengths,
    totalLength,
  });
  decoder(g, ids, config, { ...weights, linears }, context);
  return g.build("observed");
}

/** Each input's values in the whole graph for one token. */
async function wholeGraphInputs(source: string, id: number): Promise<Map<string, Float32Array>> {
  const base = openBase(source);
  const { config } = base;
  const place = path.join(folder, `whole-${path.basename(path.dirname(source))}`);
  mkdirSync(place);
  const files = new WeightFiles(place, "base", 1e6);
  const weights = await StoredWeights.write(base, "fp32", files, { inputs: null, onProgress: () => {} });
  files.close();
  base.close();
  const graph = path.join(place, "graph.onnx");
  writeFileSync(graph, encodeModel(observedGraph(config, (g) => weights.load(g))));
  const session = await Session.open(graph, { label: "whole", threads: 1 });
  const ids = OrtTensor.zeros("int64", [1, 1]);
  ids.data[0] = BigInt(id);
  const total = OrtTensor.zeros("int32", []);
  total.data[0] = 1;
  const caches = Array.from({ length: config.layers }, (_, layer) =>
    ["key", "value"].map((part) => [
      `past_key_values.${layer}.${part}`,
      OrtTensor.zeros("float32", [1, config.keyValueHeads, 1, config.headSize]),
    ]),
  ).flat();
  const outputs = Object.fromEntries(
    Array.from({ length: config.layers }, (_, layer) => [...productInputs(config, layer)])
      .flat()
      .map(([name, width]) => [name, OrtTensor.zeros("float32", [1, width])]),
  );
  const lengths = OrtTensor.zeros("int32", [1]);
  const inputs = { input_ids: ids, lengths, total_length: total, ...Object.fromEntries(caches) };
  await session.run(new Binding(inputs, outputs));
  session.close();
  return new Map(Object.entries(outputs).map(([name, { data }]) => [name, data]));
}

for (const name of ["tiny-llama/base", "tiny-qwen2/base", "tiny-qwen3/base"]) {
  test(`${name}: layer by layer the products are given what the whole graph gives them`, async () => {
    const { source } = tinyStudent(name);
    const expected = await wholeGraphInputs(source, 11);
    const base = openBase(source);
    const inputs = await LayerInputs.open(base, Int32Array.of(11), 1);
    for (let layer = 0; layer < base.config.layers; layer++) {
      for (const [module, { gram, columns }] of await inputs.observe(layer)) {
        const values = expected.get(module)!;
        assert.equal(gram.length, columns * columns);
        for (let channel = 0; channel < columns; channel++) {
          const error = Math.abs(Math.sqrt(gram[channel * columns + channel]!) - Math.abs(values[channel]!));
          assert.ok(error < 1e-5 * (1 + Math.abs(values[channel]!)), `${module} ${channel}: off by ${error}`);
        }
      }
      await inputs.advance(layer, null);
    }
    inputs.close();
    base.close();
  });
}

test("texts longer than a sequence and batches of sequences are summed up, less than a sequence is left out", async () => {
  const { source } = tinyStudent("tiny-llama/base");
  const base = openBase(source);
  const one = Int32Array.from({ length: 100 }, (_, at) => (at * 7) % base.config.vocabSize);
  const six = new Int32Array(6 * 100);
  for (let at = 0; at < 6; at++) six.set(one, 100 * at);
  const short = { ...base, config: { ...base.config, positions: 100 } };
  const gramOf = async (tokens: Int32Array): Promise<Float64Array> => {
    const inputs = await LayerInputs.open(short, tokens, 1);
    const observed = await inputs.observe(0);
    inputs.close();
    return observed.get("model.layers.0.mlp.down_proj")!.gram;
  };
  const [once, times6] = [await gramOf(one), await gramOf(six)];
  const largest = once.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  once.forEach((value, i) => {
    assert.ok(Math.abs(times6[i]! - 6 * value) < 1e-5 * largest, `${i}: ${times6[i]} for 6 · ${value}`);
  });
  base.close();
});
