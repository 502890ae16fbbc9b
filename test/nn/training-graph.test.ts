// Holds the graph that trains to the graph that serves, and to PyTorch: logits of every family on whole sequences,
// alone and with an adapter, what a step's graph has as inputs and outputs, and pooled vectors, scores and node logits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { adapterShapes, LORA_TARGETS } from "../../src/nn/lora.ts";
import { type TrainingLosses, trainingGraph } from "../../src/nn/training-graph.ts";
import { OrtTensor } from "../../src/runtime/ort-tensor.ts";
import { Binding } from "../../src/runtime/session.ts";
import { openBase } from "../../src/student/open-base.ts";
import { BaseSessions } from "../../src/train/step/base-session.ts";
import { floatTensor, integerTensor } from "../../src/train/step/batch-tensors.ts";
import { openStudentForward } from "../../src/train/step/student-forward.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";
import { tinyStudents } from "../support/tiny-students.ts";
import { readTensors, relativeError, TrainingFixture } from "../support/training-fixture.ts";

const scratch = scratchFolder();
const NAMES = ["tiny-llama", "tiny-qwen2"];

function largestDifference(found: Float32Array, expected: Float32Array): number {
  assert.equal(found.length, expected.length);
  return expected.reduce((worst, value, index) => {
    const difference = Math.abs(value - (found[index] ?? Number.NaN));
    return Math.max(worst, difference); // NaN stays
  }, 0);
}

for (const student of tinyStudents()) {
  test(`${student.name}: the training forward gives PyTorch's logits`, async () => {
    const base = openBase(student.source);
    const forward = await openStudentForward(base, null, { threads: 1, scratchFolder: scratch });
    base.close();
    const { ids, logits } = student.reference;
    const tokens = BigInt64Array.from(
      ids.flatMap((row) => [...row]),
      BigInt,
    );
    try {
      const found = await forward.run(tokens, ids.length, ids[0]?.length ?? 0);
      // Quantised sources are compared with the same values dequantised: only the order of sums differs.
      assert.ok(largestDifference(found, logits) < 2e-4, `off by ${largestDifference(found, logits)}`);
    } finally {
      forward.close();
    }
  });
}

for (const name of NAMES) {
  test(`${name}: an adapter gives PEFT's logits, and none the base's`, async () => {
    const own = new TrainingFixture(name);
    const base = openBase(fixture(name, "base"));
    const forward = await openStudentForward(base, own.lora, { threads: 1, scratchFolder: scratch });
    base.close();
    const student = tinyStudents().find((one) => one.name === `${name}/base`);
    assert.ok(student);
    const tokens = BigInt64Array.from(
      student.reference.ids.flatMap((row) => [...row]),
      BigInt,
    );
    try {
      const columns = tokens.length / 2;
      assert.ok(
        largestDifference(await forward.run(tokens, 2, columns), student.reference.logits) < 2e-5,
        "an adapter of zeros changes nothing",
      );
      const adapter = readTensors(name, "adapter", "adapter_model.safetensors");
      assert.deepEqual([...forward.parameters.keys()].sort(), [...adapter.keys()].sort());
      for (const [key, values] of adapter) forward.parameters.get(key)?.set(values);
      const expected = readTensors(name, "adapter_forward.safetensors").get("logits");
      assert.ok(expected);
      const found = await forward.run(tokens, 2, columns);
      assert.ok(largestDifference(found, expected) < 2e-5, `off by ${largestDifference(found, expected)}`);
    } finally {
      forward.close();
    }
  });

  test(`${name}: pooled vectors, scores and node logits are PyTorch's`, async () => {
    const own = new TrainingFixture(name);
    const base = openBase(fixture(name, "base"));
    const sessions = await BaseSessions.write(base, { threads: 1, scratchFolder: scratch });
    base.close();
    try {
      const losses = own.losses("live");
      const graph = trainingGraph(sessions.config, sessions.load, {
        lora: own.lora,
        losses: { ...losses, nll: null },
        gradients: false,
      });
      const session = await sessions.open("heads", graph.model);
      const expected = readTensors(name, "activations.safetensors");
      for (const [index] of own.graphs.mags.entries()) {
        const batch = own.batch("directed", [index]);
        const inputs: Record<string, OrtTensor> = {
          input_ids: integerTensor([batch.rows, batch.columns], batch.tokenIds),
          pooling_weights: floatTensor([batch.rows, batch.columns], batch.poolingWeights),
          pairs: integerTensor([batch.pairs.length / 2, 2], batch.pairs),
          margin_scale: floatTensor([], [1]),
          adjacency: floatTensor([batch.rows, batch.rows], batch.adjacency),
          node_labels: integerTensor([batch.rows], batch.nodeLabels),
          node_scale: floatTensor([], [1]),
        };
        const parameters = own.parameters();
        for (const [key, shape] of graph.parameters) {
          const values = parameters.get(key);
          assert.ok(values, key);
          inputs[key] = floatTensor(shape, values);
        }
        const { classes } = losses.node.classifier;
        const outputs = {
          pooled: OrtTensor.zeros("float32", [batch.rows, sessions.config.hiddenSize]),
          scores: OrtTensor.zeros("float32", [batch.rows]),
          node_logits: OrtTensor.zeros("float32", [batch.rows, classes]),
        };
        await session.run(new Binding(inputs, outputs));
        for (const [output, { data }] of Object.entries(outputs)) {
          const reference = expected.get(`${output}.${index}`);
          assert.ok(reference);
          assert.ok(relativeError(data, reference) < 1e-5, `${output}.${index}`);
        }
      }
    } finally {
      sessions.close();
    }
  });
}

test("a loss that is left out leaves no input, head, output or node behind", async () => {
  const base = openBase(fixture("tiny-llama", "base"));
  const sessions = await BaseSessions.write(base, { scratchFolder: scratch });
  base.close();
  try {
    const own = new TrainingFixture("tiny-llama");
    const none: TrainingLosses = { nll: null, margin: null, node: null };
    const { nll, margin, node } = own.losses("live");
    const build = (losses: Partial<TrainingLosses>) =>
      trainingGraph(sessions.config, sessions.load, {
        lora: own.lora,
        losses: { ...none, ...losses },
        gradients: true,
      });
    const inputs = (losses: Partial<TrainingLosses>): string[] => {
      const names = build(losses).model.graph.inputs.map(({ name }) => name);
      return names.filter((name) => !name.startsWith("base_model.") && name !== "input_ids").sort();
    };
    assert.deepEqual(inputs({ nll }), ["label_ids", "label_positions", "nll_scale"]);
    assert.deepEqual(inputs({ margin }), [
      "margin_scale",
      "pairs",
      "pooling_weights",
      "score.bias",
      "score.weight",
    ]);
    const frozen = build({ node: { ...node, features: "frozen" } });
    assert.deepEqual(
      [...frozen.gradients.keys()].sort(),
      ["gcn.0.bias", "gcn.0.weight", "gcn.1.bias", "gcn.1.weight", "node.bias", "node.weight"],
      "a frozen node loss has gradients for its classifier alone",
    );
    const outputs = build({ nll }).model.graph.outputs.map(({ name }) => name);
    assert.deepEqual(
      outputs.filter((name) => !name.startsWith("gradient.")),
      ["nll", "total"],
    );
    const vocabulary = build({ node }).model.graph.nodes.filter(({ name }) => name.startsWith("losses.nll"));
    assert.deepEqual(vocabulary, []);
  } finally {
    sessions.close();
  }
});

test("adapters on all seven modules have PEFT's keys and shapes", () => {
  const base = openBase(fixture("tiny-qwen2", "base"));
  const { config } = base;
  base.close();
  const shapes = adapterShapes(config, { rank: 5, scale: 2, targets: LORA_TARGETS, dropout: 0 });
  assert.equal(shapes.size, config.layers * 7 * 2);
  const layer = "base_model.model.model.layers.2";
  const { hiddenSize, intermediateSize } = config;
  assert.deepEqual(shapes.get(`${layer}.self_attn.k_proj.lora_B.weight`), [16, 5]);
  assert.deepEqual(shapes.get(`${layer}.mlp.down_proj.lora_A.weight`), [5, intermediateSize]);
  assert.deepEqual(shapes.get(`${layer}.mlp.down_proj.lora_B.weight`), [hiddenSize, 5]);
});
