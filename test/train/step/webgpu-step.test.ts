// A training step on WebGPU, over software Vulkan where there is no GPU, held to PyTorch's losses and gradients.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import { unavailable } from "../../../src/runtime/device.ts";
import { OrtLibrary } from "../../../src/runtime/ort-library.ts";
import { openBase } from "../../../src/student/open-base.ts";
import { readRunLog } from "../../../src/train/run/run-log.ts";
import { createRun, runSettings, runTraining } from "../../../src/train/run/training-run.ts";
import { resolveSettings } from "../../../src/train/run/training-settings.ts";
import { openTrainingStep } from "../../../src/train/step/training-step.ts";
import { writeRandomBase } from "../../support/random-base.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";
import { NO_SOFTWARE_GPU, useSoftwareGpu } from "../../support/software-gpu.ts";
import { relativeError, TrainingFixture } from "../../support/training-fixture.ts";
import { writeSums } from "../support/sums.ts";

const scratch = scratchFolder();

/** Three steps of a tiny student on the device: what it said of the device, and its losses. */
async function runOn(device: "cpu" | "webgpu" | "cuda") {
  const folder = path.join(scratch, device);
  const base = path.join(scratch, `base-${device}`);
  const data = path.join(scratch, `${device}.jsonl`);
  writeRandomBase(base, { tokenizer: true });
  writeSums(data, 12);
  const values = { base, data: [data], device, threads: 1, batchSize: 4, maxSteps: 3, export: false };
  createRun(folder, resolveSettings([{ nameOf: (key) => key, values }]));
  const choices: string[] = [];
  await runTraining({
    settings: runSettings(folder),
    folder,
    signal: new AbortController().signal,
    onStage: () => {},
    onNote: (choice) => choices.push(choice),
    onData: () => {},
    onProgress: () => {},
    onValidation: () => {},
  });
  const log = readRunLog(path.join(folder, "metrics.jsonl"));
  return { choices, losses: log.flatMap((line) => (line.kind === "step" ? [line.loss] : [])) };
}

test("a device that is not there ends a run before it begins, saying why", async (t) => {
  if ((await unavailable("cuda")) === null) return t.skip("CUDA works here");
  await assert.rejects(runOn("cuda"), (error: unknown) => {
    assert.ok(error instanceof MagdiError);
    assert.equal(error.code, "MAGDI_UNSUPPORTED");
    assert.match(error.message, /^device cuda cannot be used: /);
    return true;
  });
});

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

test("a run on WebGPU has the losses of one on the processor", { skip: NO_SOFTWARE_GPU }, async () => {
  OrtLibrary.load();
  useSoftwareGpu();
  const [here, there] = [await runOn("cpu"), await runOn("webgpu")];
  assert.deepEqual([here.choices, there.choices], [[], ["the training runs on webgpu"]]);
  assert.equal(there.losses.length, 3);
  for (const [step, loss] of here.losses.entries()) {
    const found = there.losses[step]!;
    assert.ok(Math.abs(found - loss) < 1e-3, `step ${step + 1}: ${found} instead of ${loss}`);
  }
});
