// Imported students in float32 against what PyTorch computed from the same weights.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { OrtTensor } from "../../src/runtime/ort-tensor.ts";
import { Binding, Session } from "../../src/runtime/session.ts";
import type { StudentFolder } from "../../src/student/open-student-folder.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import {
  greedyTokens,
  importTiny,
  openRunner,
  prefilled,
  type Reference,
  tinyStudents,
} from "../support/tiny-students.ts";

const folder = scratchFolder();
const TOLERANCE = 1e-4;
/** In float16, where a number has eleven bits and the largest logits are about 5. */
const HALF_TOLERANCE = 0.02;

function largestDifference(found: Float32Array, wanted: Float32Array): number {
  assert.equal(found.length, wanted.length);
  return found.reduce((worst, value, i) => {
    // NaN would be smaller than any tolerance.
    const difference = Math.abs(value - wanted[i]!);
    return difference <= worst ? worst : Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }, 0);
}

/** The graph of transformers.js over both rows at once: logits [2, 17, V]. */
async function logitsOfModelGraph(
  { modelGraph, config }: StudentFolder,
  { ids }: Reference,
): Promise<Float32Array> {
  const session = await Session.open(modelGraph, { label: "model", threads: 1 });
  const [rows, count] = [ids.length, ids[0]!.length];
  const tokens = OrtTensor.zeros("int64", [rows, count]);
  tokens.data.set(ids.flatMap((row) => [...row].map(BigInt)));
  const mask = OrtTensor.zeros("int64", [rows, count]);
  mask.data.fill(1n);
  const inputs: Record<string, OrtTensor> = { input_ids: tokens, attention_mask: mask };
  const logits = OrtTensor.zeros("float32", [rows, count, config.vocabSize]);
  const outputs: Record<string, OrtTensor> = { logits };
  for (let layer = 0; layer < config.layers; layer++) {
    for (const part of ["key", "value"]) {
      const shape = (past: number) => [rows, config.keyValueHeads, past, config.headSize];
      inputs[`past_key_values.${layer}.${part}`] = OrtTensor.zeros("float32", shape(0));
      outputs[`present.${layer}.${part}`] = OrtTensor.zeros("float32", shape(count));
    }
  }
  await session.run(new Binding(inputs, outputs));
  session.close();
  return logits.data;
}

for (const { name, source, reference } of tinyStudents()) {
  test(`${name}: logits at every position and greedy tokens are the reference's`, async () => {
    const { fp32 } = await importTiny(source, path.join(folder, name.replaceAll("/", "-")), ["fp32"]);
    const runner = await openRunner(fp32);
    const { ids, logits, vocabSize, greedy } = reference;
    assert.equal(runner.vocabSize, vocabSize);
    for (const [row, tokens] of ids.entries()) {
      for (let count = 1; count <= tokens.length; count++) {
        const from = (row * tokens.length + count - 1) * vocabSize;
        const wanted = logits.subarray(from, from + vocabSize);
        const found = await prefilled(runner, tokens.subarray(0, count));
        assert.ok(largestDifference(found, wanted) < TOLERANCE, `row ${row}, ${count} tokens`);
      }
      const last = logits.subarray((row + 1) * tokens.length * vocabSize - vocabSize).subarray(0, vocabSize);
      for (const chunkTokens of [1, 5, 16]) {
        const found = await prefilled(runner, tokens, chunkTokens);
        assert.ok(largestDifference(found, last) < TOLERANCE, `row ${row} in chunks of ${chunkTokens}`);
      }
    }
    for (const chunkTokens of [9, 4]) {
      const tokens = await greedyTokens(runner, greedy.subarray(0, 9), 24, chunkTokens);
      assert.deepEqual(tokens, [...greedy.subarray(9)], `in chunks of ${chunkTokens}`);
    }
    runner.close();
    const whole = await logitsOfModelGraph(fp32, reference);
    assert.ok(largestDifference(whole, logits) < TOLERANCE, "the graph for transformers.js");
  });

  test(`${name}: in float16 logits are nearly the reference's, and greedy tokens are`, async () => {
    const { fp16 } = await importTiny(source, path.join(folder, `${name.replaceAll("/", "-")}-fp16`), [
      "fp16",
    ]);
    const runner = await openRunner(fp16);
    const { ids, logits, vocabSize, greedy } = reference;
    for (const [row, tokens] of ids.entries()) {
      const last = logits.subarray((row + 1) * tokens.length * vocabSize - vocabSize).subarray(0, vocabSize);
      for (const chunkTokens of [5, 16]) {
        const found = await prefilled(runner, tokens, chunkTokens);
        assert.ok(largestDifference(found, last) < HALF_TOLERANCE, `row ${row} in chunks of ${chunkTokens}`);
      }
    }
    assert.deepEqual(await greedyTokens(runner, greedy.subarray(0, 9), 24), [...greedy.subarray(9)]);
    runner.close();
  });
}
