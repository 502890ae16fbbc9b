// A base in 8-bit blocks under adapters in float32: losses and gradients are as near to those in float32 as 8-bit weights,
// inputs and gradients are.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { openKernels } from "../../../src/runtime/native-kernels.ts";
import { openBase } from "../../../src/student/open-base.ts";
import type { BaseDtype } from "../../../src/train/step/base-dtype.ts";
import { openTrainingStep, type TrainingStep } from "../../../src/train/step/training-step.ts";
import { writeRandomBase } from "../../support/random-base.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";
import { relativeError, TrainingFixture } from "../../support/training-fixture.ts";

const scratch = scratchFolder();
const kernels = openKernels();
const skip = kernels.kind === "native" ? false : `needs our own operators: ${kernels.reason}`;
const own = new TrainingFixture("tiny-llama");

async function opened(folder: string, dtype: BaseDtype, recompute = false): Promise<TrainingStep> {
  const base = openBase(folder);
  try {
    const { lora } = own;
    const losses = own.losses("live");
    return await openTrainingStep(base, {
      dtype,
      lora,
      losses,
      recompute,
      threads: 1,
      scratchFolder: scratch,
    });
  } finally {
    base.close();
  }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Rounding to 8 bits changes single gradients of so small a model by some per cent. */
function assertNear(errors: readonly number[]): void {
  assert.ok(errors.length > 0);
  assert.ok(Math.max(...errors) < 0.12, `largest ${Math.max(...errors)}`);
  assert.ok(median(errors) < 0.06, `median ${median(errors)}`);
  assert.ok(Math.max(...errors) > 1e-3, "the products were rounded");
}

for (const recompute of [false, true]) {
  const how = recompute ? ", activations computed again" : "";
  test(`losses and gradients are near PyTorch's${how}`, { skip }, async () => {
    const step = await opened(fixture("tiny-llama", "base"), "q8", recompute);
    try {
      for (const [key, values] of own.parameters()) step.parameters.get(key)?.set(values);
      const result = await step.run(own.batch("directed"), "train");
      const { nll = 0, margin = 0, node = 0 } = own.expected["directed/live"] ?? {};
      for (const [found, value] of [
        [result.nll, nll],
        [result.margin, margin],
        [result.node, node],
      ] as const) {
        assert.ok(Math.abs(found - value) < 0.02 * value, `${found} instead of ${value}`);
      }
      const expected = [...own.gradients("directed.live")];
      assertNear(expected.map(([key, values]) => relativeError(step.gradients.get(key)!, values)));
    } finally {
      step.close();
    }
  });
}

test("a base with biases, joined modules and a head of its own: near float32, and the same twice", {
  skip,
}, async () => {
  const folder = path.join(scratch, "biased");
  const config = { model_type: "qwen2", num_hidden_layers: 2, tie_word_embeddings: false };
  writeRandomBase(folder, { config });
  const gradients: Float32Array[][] = [];
  const losses: number[] = [];
  for (const dtype of ["fp32", "q8", "q8"] as const) {
    const step = await opened(folder, dtype);
    try {
      for (const values of step.parameters.values()) {
        values.forEach((_, index) => {
          values[index] = Math.sin(index + 1) / 10;
        });
      }
      losses.push((await step.run(own.batch("directed"), "train")).total);
      gradients.push([...step.gradients.values()].map((values) => values.slice()));
    } finally {
      step.close();
    }
  }
  const [fp32 = [], q8 = [], again] = gradients;
  assert.ok(Math.abs(losses[1]! - losses[0]!) < 0.02 * losses[0]!);
  assertNear(q8.map((values, index) => relativeError(values, fp32[index]!)));
  assert.deepEqual(again, q8);
  assert.equal(losses[2], losses[1]);
});

test("matrices that are no multiples of a block are refused with the way out", { skip }, async () => {
  await assert.rejects(opened(fixture("tiny-qwen2", "base"), "q8"), {
    code: "MAGDI_UNSUPPORTED",
    message: /q_proj.*multiples of 32 rows and columns, found 80 x 48; use fp32/,
  });
});

test("without our own operators it is refused with the way out", async (t) => {
  const choice = process.env.MAGDI_KERNELS;
  t.after(() => {
    if (choice === undefined) delete process.env.MAGDI_KERNELS;
    else process.env.MAGDI_KERNELS = choice;
  });
  process.env.MAGDI_KERNELS = "stock";
  await assert.rejects(opened(fixture("tiny-llama", "base"), "q8"), {
    code: "MAGDI_UNSUPPORTED",
    message: /baseDtype q8: .*MAGDI_KERNELS=stock; use fp32, or fp16 on a device/,
  });
});
