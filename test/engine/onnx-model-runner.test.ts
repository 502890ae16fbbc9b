// The runner's own promises on imported students: rows that do not see each other, and misuse that is refused.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import type { OnnxModelRunner } from "../../src/engine/onnx-model-runner.ts";
import type { StudentFolder } from "../../src/student/open-student-folder.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";
import { importTiny, openRunner, prefilled, tinyStudent } from "../support/tiny-students.ts";
import { SeededRandom } from "../text/seeded-random.ts";

const folder = scratchFolder();
const STEPS = 4;

const refused = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MagdiError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, pattern);
  return true;
};

/** Fills the rows and decodes them together, each with the token that its number and the step say; the logits of
 * every step [STEPS][rows][V]. */
async function decodeTogether(
  runner: OnnxModelRunner,
  prompts: readonly Int32Array[],
  numbers: readonly number[],
): Promise<Float32Array[][]> {
  for (const [row, prompt] of prompts.entries()) {
    await prefilled(runner, prompt, 16);
    runner.copyRow(runner.promptRow, row, prompt.length);
  }
  const steps: Float32Array[][] = [];
  for (let step = 0; step < STEPS; step++) {
    const tokens = Int32Array.from(numbers, (number) => (7 * number + 3 * step) % runner.vocabSize);
    const pastLengths = Int32Array.from(prompts, (prompt) => prompt.length + step);
    const { logits } = await runner.decode(prompts.length, tokens, pastLengths, true);
    const row = (at: number) => logits!.slice(at * runner.vocabSize, (at + 1) * runner.vocabSize);
    steps.push(prompts.map((_, at) => row(at)));
  }
  return steps;
}

async function assertRowsIndependent(student: StudentFolder): Promise<void> {
  const runner = await openRunner(student, { maxRows: 9, contextLength: 96 });
  const random = new SeededRandom(5);
  const prompts = [3, 40, 17, 1, 64, 33, 8, 25].map((length) =>
    Int32Array.from({ length }, () => random.below(runner.vocabSize)),
  );
  for (const count of [2, 3, 5, 8]) {
    const together = await decodeTogether(runner, prompts.slice(0, count), [...Array(count).keys()]);
    for (let number = 0; number < count; number++) {
      const alone = await decodeTogether(runner, [prompts[number]!], [number]);
      for (let step = 0; step < STEPS; step++) {
        assert.deepEqual(together[step]![number], alone[step]![0], `row ${number} of ${count}, step ${step}`);
      }
    }
  }
  runner.close();
}

for (const name of ["tiny-llama/base", "tiny-llama-kquant/model.gguf", "tiny-qwen3/base"]) {
  test(`${name}: a row's logits are bit for bit the same alone and among others of other lengths`, async () => {
    const out = path.join(folder, name.replaceAll("/", "-"));
    const folders = await importTiny(tinyStudent(name).source, out, ["fp32", "fp16", "q8", "q4", "q4f16"]);
    for (const student of Object.values(folders)) await assertRowsIndependent(student);
  });
}

test("a step's candidates are its largest logits, best first, with the sum over all", async () => {
  const { q4 } = await importTiny(fixture("tiny-llama/base"), path.join(folder, "candidates"), ["q4"]);
  const runner = await openRunner(q4);
  const output = await runner.prefill(Int32Array.of(5, 6, 7), 0, true);
  const logits = [...output.logits!.subarray(0, runner.vocabSize)];
  const count = runner.candidateCount;
  assert.equal(count, 64);
  const largest = [...logits].sort((a, b) => b - a).slice(0, count);
  assert.deepEqual([...output.candidateLogits.subarray(0, count)], largest);
  for (let at = 0; at < count; at++) assert.equal(logits[Number(output.candidateIds[at])], largest[at]);
  const logSumExp = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  assert.ok(Math.abs(output.logSumExp[0]! - logSumExp) < 1e-5);
  assert.equal((await runner.prefill(Int32Array.of(5), 0, false)).logits, null);
  runner.close();
});

test("positions of one step have the bits of one step each, and what was wrongly drafted leaves no trace", async (t) => {
  const { q4 } = await importTiny(fixture("tiny-llama/base"), path.join(folder, "drafts"), ["q4"]);
  const runner = await openRunner(q4, { maxRows: 2, contextLength: 96 });
  if (!runner.checksDrafts) {
    runner.close();
    return t.skip("no operators of our own here");
  }
  const random = new SeededRandom(7);
  const draw = (length: number) => Int32Array.from({ length }, () => random.below(runner.vocabSize));
  const [prompt, said] = [draw(29), draw(12)];
  const start = async () => {
    await prefilled(runner, prompt, 16);
    runner.copyRow(runner.promptRow, 0, prompt.length);
  };
  /** What `tokens` give after the first `past` of `said`, by position. */
  const step = async (tokens: Int32Array, past: number) => {
    const lengths = Int32Array.of(prompt.length + past);
    const output = await runner.decode(1, tokens, lengths, false, tokens.length);
    const k = runner.candidateCount;
    return Array.from(tokens, (_, at) => ({
      logits: output.candidateLogits.slice(at * k, (at + 1) * k),
      ids: output.candidateIds.slice(at * k, (at + 1) * k),
      logSumExp: output.logSumExp[at],
    }));
  };
  await start();
  const single = [];
  for (let at = 0; at < said.length; at++) single.push(...(await step(said.slice(at, at + 1), at)));

  await start();
  const checked = [];
  for (const [from, to] of [
    [0, 4],
    [4, 5],
    [5, 7],
    [7, 11],
    [11, 12],
  ] as const) {
    // Wrong tokens first, in the places of those that are said.
    await step(Int32Array.of(said[from]!, ...draw(3)), from);
    checked.push(...(await step(said.slice(from, to), from)));
  }
  assert.deepEqual(checked, single);
  runner.close();
});

test("what a runner cannot do is refused before native code sees it", async () => {
  const { fp32, q4 } = await importTiny(fixture("tiny-llama/base"), path.join(folder, "misuse"), [
    "fp32",
    "q4",
  ]);
  await assert.rejects(openRunner(fp32, { maxRows: 1 }), refused("MAGDI_BAD_CONFIG", /maxRows.*found 1/));
  await assert.rejects(
    openRunner(fp32, { contextLength: 257 }),
    refused("MAGDI_BAD_CONFIG", /256 positions, found 257/),
  );
  const endless = { ...fp32, config: { ...fp32.config, positions: 2 ** 31 } };
  await assert.rejects(
    openRunner(endless, { maxRows: 2 ** 20, contextLength: 2 ** 31 }),
    refused("MAGDI_BAD_CONFIG", /rows of 2147483648 tokens.*shorter context/),
  );
  await assert.rejects(
    openRunner({ ...fp32, engineGraph: path.join(folder, "student", "onnx", "engine_q4.onnx") }),
    refused("MAGDI_RUNTIME", /^session student\/onnx\/engine_q4\.onnx: /),
  );
  const runner = await openRunner(fp32, { contextLength: 8 });
  await assert.rejects(
    runner.prefill(new Int32Array(9), 0, false),
    refused("MAGDI_RUNTIME", /holds 8 tokens/),
  );
  await assert.rejects(runner.prefill(Int32Array.of(1), 8, false), refused("MAGDI_RUNTIME", /a step to 9/));
  const two = Int32Array.of(1, 1);
  await assert.rejects(
    runner.decode(2, two, Int32Array.of(0, 8), false),
    refused("MAGDI_RUNTIME", /a step to 9/),
  );
  // A token that is not in the vocabulary fails in the graph, and the runner goes on.
  await assert.rejects(
    runner.prefill(Int32Array.of(1, 160), 0, false),
    refused("MAGDI_RUNTIME", /onnx\/engine_fp32\.onnx: operator Gather, node model\.embed_tokens\.Gather/),
  );
  const blocks = await openRunner(q4);
  const negative = blocks.prefill(Int32Array.of(1, -161), 0, false);
  await assert.rejects(negative, refused("MAGDI_RUNTIME", /operator GatherBlockQuantized/));
  blocks.close();
  const logits = await prefilled(runner, Int32Array.of(1, 2));
  assert.ok(logits.every(Number.isFinite));
  const run = runner.prefill(Int32Array.of(1), 0, false);
  assert.throws(() => runner.close(), refused("MAGDI_RUNTIME", /cannot close/));
  await run;
  runner.close();
  runner.close();
});
