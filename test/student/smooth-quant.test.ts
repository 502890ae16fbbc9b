// Balancing changes no answer: whatever was measured of the inputs, the float32 model computes the same.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { observedInputs } from "../../src/nn/calibration-graph.ts";
import { openBase } from "../../src/student/open-base.ts";
import { openStudentFolder } from "../../src/student/open-student-folder.ts";
import { smoothQuant } from "../../src/student/smooth-quant.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { openRunner, tinyStudent } from "../support/tiny-students.ts";
import { SeededRandom } from "../text/seeded-random.ts";

const folder = scratchFolder();

/** Magnitudes from 0.01 to 100. */
function anyMaxima(widths: ReadonlyMap<string, number>): Map<string, Float32Array> {
  const random = new SeededRandom(5);
  return new Map(
    [...widths].map(([name, width]) => [
      name,
      Float32Array.from({ length: width }, () => 10 ** (random.below(401) / 100 - 2)),
    ]),
  );
}

// Grouped heads, biases, norms of heads, an untied vocabulary, and a grid that is given up.
for (const name of [
  "tiny-llama/base",
  "tiny-qwen2/base",
  "tiny-qwen3/base",
  "tiny-qwen3-untied/base",
  "tiny-llama-kquant/model.gguf",
]) {
  test(`${name}: balanced by any measurements it has the reference's logits`, async () => {
    const { source, reference } = tinyStudent(name);
    const out = path.join(folder, name.replaceAll("/", "-"));
    const base = openBase(source);
    const balanced = smoothQuant(base, anyMaxima(observedInputs(base.config)));
    const changed = "model.layers.0.mlp.down_proj.weight";
    assert.notDeepEqual(
      balanced.tensors.get(changed)?.readFloat32(),
      base.tensors.get(changed)?.readFloat32(),
    );
    base.close();
    const training = { adapter: "", adapterSha256: "", recipe: null, data: null, lora: [], modules: [] };
    const adapt = async (opened: ReturnType<typeof openBase>) => ({
      base: smoothQuant(opened, anyMaxima(observedInputs(opened.config))),
      level: null,
      training,
    });
    await importStudent({ source, out, dtypes: ["fp32"], adapt });
    const runner = await openRunner(openStudentFolder(out, "fp32"));
    const ids = reference.ids[0]!;
    const { logits } = await runner.prefill(ids, 0, true);
    const last = reference.logits.subarray((ids.length - 1) * reference.vocabSize);
    for (let token = 0; token < reference.vocabSize; token++) {
      const error = Math.abs(logits![token]! - last[token]!);
      assert.ok(error < 1e-4, `token ${token}: off by ${error}`);
    }
    runner.close();
  });
}
