// A base in float16 under adapters in float32, held to PyTorch's losses and gradients in float32: as near as ten bits of
// mantissa are. The processor computes such products in float32; that leaves the rounding of the weights.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openBase } from "../../../src/student/open-base.ts";
import { openTrainingStep } from "../../../src/train/step/training-step.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";
import { relativeError, TrainingFixture } from "../../support/training-fixture.ts";

const scratch = scratchFolder();

for (const name of ["tiny-llama", "tiny-qwen2"]) {
  for (const recompute of [false, true]) {
    test(`${name}${recompute ? ", activations computed again" : ""}: losses and gradients are near PyTorch's`, async () => {
      const own = new TrainingFixture(name);
      const base = openBase(fixture(name, "base"));
      const step = await openTrainingStep(base, {
        dtype: "fp16",
        lora: own.lora,
        losses: own.losses("live"),
        recompute,
        threads: 1,
        scratchFolder: scratch,
      });
      base.close();
      try {
        for (const [key, values] of own.parameters()) step.parameters.get(key)?.set(values);
        const result: Readonly<Record<string, unknown>> = {
          ...(await step.run(own.batch("directed"), "train")),
        };
        for (const [term, value] of Object.entries(own.expected["directed/live"] ?? {})) {
          const error = Math.abs(Number(result[term]) - value) / Math.abs(value);
          assert.ok(error < 2e-3, `${term}: ${result[term]} instead of ${value}`);
        }
        const expected = own.gradients("directed.live");
        const errors = [...expected].map(([key, values]) => relativeError(step.gradients.get(key)!, values));
        assert.ok(errors.length > 0 && Math.max(...errors) < 1e-2, `${Math.max(...errors)}`);
        assert.ok(Math.max(...errors) > 1e-5, "the weights were rounded");
      } finally {
        step.close();
      }
    });
  }
}
