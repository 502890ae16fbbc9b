// A step graph with its attention in float16, run on the processor, which has such an attention too.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { attentionInHalf } from "../../src/nn/half-attention.ts";
import type { StudentFolder } from "../../src/student/open-student-folder.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { greedyTokens, importTiny, openRunner, prefilled, tinyStudent } from "../support/tiny-students.ts";

const scratch = scratchFolder();
const SIZES = { maxRows: 2, contextLength: 64, prefillChunkTokens: 16 } as const;

const distance = (found: Float32Array, expected: Float32Array): number =>
  Math.sqrt(found.reduce((sum, value, at) => sum + (value - expected[at]!) ** 2, 0));

/** The same student, of whose step graph attention is in float16. */
function inHalf(student: StudentFolder): StudentFolder {
  const engineGraph = student.engineGraph.replace(".onnx", "_half.onnx");
  const bytes = attentionInHalf(readFileSync(student.engineGraph));
  assert.ok(bytes !== null);
  writeFileSync(engineGraph, bytes);
  return { ...student, engineGraph };
}

async function answerOf(student: StudentFolder, prompt: Int32Array) {
  const runner = await openRunner(student, SIZES);
  try {
    const logits = (await prefilled(runner, prompt, 16)).slice();
    return { logits, tokens: await greedyTokens(runner, prompt, 24) };
  } finally {
    runner.close();
  }
}

// With the rotary embedding inside of attention, and with products that round their inputs to eight bits, which makes
// more of small differences.
for (const source of ["tiny-llama/base", "tiny-qwen2/base"]) {
  test(`${source}: logits stay nearer to float32's than with everything in float16`, async () => {
    const tiny = tinyStudent(source);
    const folder = path.join(scratch, source.replace("/", "-"));
    const { fp32, fp16, q4 } = await importTiny(tiny.source, folder, ["fp32", "fp16", "q4"]);
    const prompt = tiny.reference.greedy.subarray(0, 9);
    const exact = await answerOf(fp32, prompt);
    const half = await answerOf(inHalf(fp32), prompt);
    const all = await answerOf(fp16, prompt);
    const off = distance(half.logits, exact.logits);
    assert.ok(off > 0 && off < distance(all.logits, exact.logits), `off by ${off}`);
    assert.deepEqual(half.tokens, exact.tokens);
    const coarse = distance((await answerOf(q4, prompt)).logits, exact.logits);
    const coarser = distance((await answerOf(inHalf(q4), prompt)).logits, exact.logits);
    assert.ok(coarser < 1.1 * (coarse + off), `q4 was off by ${coarse}, and is by ${coarser}`);
  });
}

test("a graph in float16 stays as it is", async () => {
  const { fp16 } = await importTiny(tinyStudent("tiny-llama/base").source, path.join(scratch, "halves"), [
    "fp16",
  ]);
  assert.equal(attentionInHalf(readFileSync(fp16.engineGraph)), null);
});
