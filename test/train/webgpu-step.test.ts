// A training step on WebGPU, over software Vulkan where there is no GPU, held to PyTorch's losses and gradients.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OrtLibrary } from "../../src/runtime/ort-library.ts";
import { openBase } from "../../src/student/import-student.ts";
import { openTrainingStep } from "../../src/train/training-step.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";
import { NO_SOFTWARE_GPU, useSoftwareGpu } from "../support/software-gpu.ts";
import { relativeError, TrainingFixture } from "../support/training-fixture.ts";

const scratch = scratchFolder();

test("tiny-llama on WebGPU: losses and gradients are PyTorch's", { skip: NO_SOFTWARE_GPU }, async () => {
  OrtLibrary.load(); // before any other library: it configures how libraries are called
  useSoftwareGpu();
  const own = new TrainingFixture("tiny-llama");
  const base = openBase(fixture(own.name, "base"));
  const step = await openTrainingStep(base, {
    device: "webgpu",
    lora: own.lora,
    losses: own.losses("live"),
    threads: 1,
    scratchFolder: scratch,
  });
  base.close();
  for (const [key, values] of own.parameters()) step.parameters.get(key)?.set(values);
  const result: Readonly<Record<string, unknown>> = { ...(await step.run(own.batch("directed"), "train")) };
  for (const [term, value] of Object.entries(own.expected["directed/live"] ?? {})) {
    assert.ok(Math.abs(Number(result[term]) - value) < 1e-4, `${term}: ${result[term]} instead of ${value}`);
  }
  const expected = own.gradients("directed.live");
  assert.ok(expected.size > 0);
  for (const [key, values] of expected) {
    const found = step.gradients.get(key);
    assert.ok(found !== undefined, key);
    const error = relativeError(found, values);
    assert.ok(error < 1e-4, `${key}: off by ${error} of its norm`);
  }
  step.close();
});
