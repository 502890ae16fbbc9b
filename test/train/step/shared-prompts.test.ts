// Prompts that a graph's chains have in common and that are computed once: the losses and gradients of PyTorch, which
// computed them for each, and the same with a window, with recomputation and over several sequences.

import assert from "node:assert/strict";
import path from "node:path";
import { after, test } from "node:test";
import { openBase } from "../../../src/student/open-base.ts";
import { trainingBatch } from "../../../src/train/batches/training-batch.ts";
import type { TrainingUnit } from "../../../src/train/batches/training-unit.ts";
import { initialiseParameters } from "../../../src/train/step/initial-parameters.ts";
import {
  openTrainingStep,
  type StepBatch,
  type TrainingStep,
} from "../../../src/train/step/training-step.ts";
import { writeRandomBase } from "../../support/random-base.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";
import { relativeError, TrainingFixture } from "../../support/training-fixture.ts";

const scratch = scratchFolder();
const opened: TrainingStep[] = [];
after(() => {
  for (const step of opened) step.close();
});

/** The fixture's batch, its tokens laid out behind shared prompts. */
function sharedBatch(own: TrainingFixture, adjacency: "directed"): StepBatch {
  const units = own.graphs.mags.map(
    ({ prompt, nodes, edges }, index): TrainingUnit => ({
      id: String(index),
      rows: nodes.map(({ completion, label }) => ({
        tokenIds: Int32Array.of(...prompt, ...completion),
        promptLength: prompt.length,
        label: label === 1 ? 1 : 0,
      })),
      edges: edges.map(([from, to]) => [from, to]),
    }),
  );
  const { pairs, nodeLabels, adjacency: matrix } = own.batch(adjacency);
  const shared = trainingBatch(units, { adjacency, padTokenId: 3, sharedPrompts: true });
  return { ...shared, pairs, nodeLabels, adjacency: matrix };
}

for (const name of ["tiny-llama", "tiny-qwen2"]) {
  for (const recompute of [false, true]) {
    test(`${name}: losses and gradients over shared prompts are PyTorch's${recompute ? ", recomputed too" : ""}`, async () => {
      const own = new TrainingFixture(name);
      const base = openBase(fixture(name, "base"));
      const losses = own.losses("live");
      const step = await openTrainingStep(base, {
        lora: own.lora,
        losses,
        recompute,
        sharedPrompts: true,
        threads: 1,
        scratchFolder: scratch,
      });
      base.close();
      opened.push(step);
      for (const [key, values] of own.parameters()) step.parameters.get(key)?.set(values);
      const batch = sharedBatch(own, "directed");
      assert.equal(batch.rows, own.graphs.mags.length, "a sequence for each graph");
      const validated = await step.run(batch, "validate");
      for (const [term, value] of Object.entries(own.expected["directed/live"]!)) {
        const found = validated[term as "nll" | "margin" | "node" | "total"]; // the terms of every reference
        assert.ok(Math.abs(found - value) < 1e-5, `${term}: ${found} instead of ${value}`);
      }
      assert.deepEqual(await step.run(batch, "train"), validated);
      for (const [key, values] of own.gradients("directed.live")) {
        const error = relativeError(step.gradients.get(key)!, values);
        assert.ok(error < 1e-4, `${key}: off by ${error} of its norm`);
      }
    });
  }
}

/** Two graphs whose chains are of all lengths; the first is longer than a sequence takes. */
function graphs(): TrainingUnit[] {
  const tokens = (count: number, from: number): number[] =>
    Array.from({ length: count }, (_, index) => 5 + ((from + index * 7) % 150));
  return [
    [40, [150, 90, 130, 60, 100]],
    [12, [3, 25, 1]],
  ].map(([length, completions], graph): TrainingUnit => {
    const prompt = tokens(Number(length), graph);
    return {
      id: String(graph),
      rows: (completions as number[]).map((count, index) => ({
        tokenIds: Int32Array.of(...prompt, ...tokens(count, 31 * index + graph)),
        promptLength: prompt.length,
        label: index % 2 === 0 ? 1 : 0,
      })),
      edges: [[0, 1]],
    };
  });
}

test("a window, labels on prompts and graphs of several sequences change nothing that sharing could", async () => {
  const folder = path.join(scratch, "windowed");
  writeRandomBase(folder, {
    config: { model_type: "mistral", sliding_window: 17, max_position_embeddings: 512 },
  });
  const gradients: Map<string, Float32Array>[] = [];
  const totals: number[] = [];
  for (const sharedPrompts of [false, true]) {
    const base = openBase(folder);
    const step = await openTrainingStep(base, {
      lora: { rank: 4, scale: 2, dropout: 0, targets: ["q_proj", "k_proj", "v_proj", "down_proj"] },
      losses: {
        nll: { weight: 1 },
        margin: { weight: 1, margin: 1, head: { kind: "linear" } },
        node: { weight: 1, features: "live", classifier: { kind: "gcn", width: 8, classes: 2 } },
      },
      sharedPrompts,
      threads: 1,
      scratchFolder: scratch,
    });
    base.close();
    opened.push(step);
    initialiseParameters(step.parameters, step.shapes, 3);
    for (const [key, values] of step.parameters)
      if (key.endsWith("lora_B.weight")) values.set(values.map((_, index) => Math.sin(index) / 20));
    const batch = trainingBatch(graphs(), { adjacency: "directed", lossOnPrompt: true, sharedPrompts });
    assert.equal(batch.rows, sharedPrompts ? 3 : 8);
    totals.push((await step.run(batch, "train")).total);
    gradients.push(new Map([...step.gradients].map(([key, values]) => [key, values.slice()])));
  }
  assert.ok(Math.abs(totals[0]! - totals[1]!) < 1e-5, totals.join());
  for (const [key, values] of gradients[0]!) {
    const error = relativeError(gradients[1]!.get(key)!, values);
    assert.ok(error < 1e-4, `${key}: off by ${error} of its norm`);
  }
});
