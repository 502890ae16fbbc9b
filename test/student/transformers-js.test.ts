// The exported folders in the real transformers.js: every dtype loads as it is and answers what our engine answers.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { scratchFolder } from "../support/scratch-folder.ts";
import { greedyTokens, importTiny, openRunner, tinyStudent } from "../support/tiny-students.ts";
import { greedyInTransformersJs, openInTransformersJs } from "../support/transformers-js.ts";

const folder = scratchFolder();

// Our own operators round otherwise.
process.env.MAGDI_KERNELS = "stock";

for (const name of [
  "tiny-llama/base",
  "tiny-llama-kquant/model.gguf",
  "tiny-mistral/base",
  "tiny-qwen2/base",
  "tiny-qwen3/base",
]) {
  test(`${name}: transformers.js' greedy tokens are our engine's, in each dtype`, async () => {
    const { source, reference } = tinyStudent(name);
    const folders = await importTiny(source, path.join(folder, name.replaceAll("/", "-")), [
      "fp32",
      "fp16",
      "q8",
      "q4",
      "q4f16",
    ]);
    const prompt = reference.greedy.subarray(0, 9);
    for (const student of Object.values(folders)) {
      const runner = await openRunner(student);
      const wanted = await greedyTokens(runner, prompt, 24);
      runner.close();
      const model = await openInTransformersJs(student);
      const found = await greedyInTransformersJs(model, prompt, 24);
      await model.dispose();
      assert.deepEqual(found, wanted.slice(0, found.length), student.dtype);
      const ended = student.endTokenIds.has(found.at(-1)!);
      assert.ok(found.length === 24 || ended, `${student.dtype}: ${found.length} tokens`);
      if (student.dtype === "fp32") assert.deepEqual(wanted, [...reference.greedy.subarray(9)]);
    }
  });
}
