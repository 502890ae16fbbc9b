// That kept keys and values are the very bits that would be computed again, on imported students and the shipped one.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Engine } from "../../src/engine/engine.ts";
import { nextChunkTokens } from "../../src/engine/model-runner.ts";
import type { OnnxModelRunner } from "../../src/engine/onnx-model-runner.ts";
import type { GenerationRequest } from "../../src/engine/request.ts";
import { openStudentFolder, type StudentFolder } from "../../src/student/open-student-folder.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { importTiny, openRunner, tinyStudent } from "../support/tiny-students.ts";
import { SAMPLED, toyRequest, toyTokens } from "../support/toy-engine.ts";
import { SeededRandom } from "../text/seeded-random.ts";

const folder = scratchFolder();
const SHIPPED = fileURLToPath(new URL("../../models/smollm2-135m-instruct", import.meta.url));
const skip = existsSync(path.join(SHIPPED, "student.json")) ? false : "the shipped student is not here";

const randomTokens = (random: SeededRandom, length: number, vocabSize: number) =>
  Int32Array.from({ length }, () => random.below(vocabSize));

/** The last logits [V] and all keys and values of a prompt cut at `borders`, and where nextChunkTokens cuts on. */
async function computed(runner: OnnxModelRunner, prompt: Int32Array, borders: readonly number[]) {
  const keysAndValues = runner.newBlock(prompt.length);
  assert.ok(keysAndValues instanceof Float32Array, "the host's block is its numbers");
  keysAndValues.fill(Number.NaN);
  runner.loadTokens(0, prompt.length, keysAndValues);
  let logits = new Float32Array();
  let past = 0;
  for (const border of [...borders, prompt.length]) {
    while (past < border) {
      const end = past + nextChunkTokens(border - past, runner.prefillChunkTokens);
      const output = await runner.prefill(prompt.subarray(past, end), past, true);
      logits = output.logits!.slice(0, runner.vocabSize);
      past = end;
    }
  }
  runner.saveTokens(0, prompt.length, keysAndValues, 0);
  return { logits, keysAndValues };
}

/** Borders at multiples of `step`, some of them only that far apart. */
function randomBorders(random: SeededRandom, length: number, step: number): number[] {
  const borders: number[] = [];
  const most = 1 + random.below(Math.ceil(length / (2 * step)));
  for (let at = step; at <= length - step; at += step * (1 + random.below(most))) borders.push(at);
  return borders;
}

async function assertCutsDoNotShow(runner: OnnxModelRunner, lengths: readonly number[], rounds: number) {
  const random = new SeededRandom(3);
  // Of our own operators no cut leaves a trace; of stock ones the probe has found that even pieces leave none.
  const native = runner.kernels.kind === "native";
  assert.equal(runner.chunkAlignmentTokens, native ? 1 : 2);
  for (const length of lengths) {
    const prompt = randomTokens(random, length, runner.vocabSize);
    const whole = await computed(runner, prompt, []);
    const blockTokens = native ? Math.ceil(length / 16) * 16 : length;
    const written = whole.keysAndValues.filter(Number.isFinite).length;
    assert.equal(written, (whole.keysAndValues.length * length) / blockTokens);
    for (let round = 0; round < rounds; round++) {
      const borders = randomBorders(random, length, runner.chunkAlignmentTokens);
      assert.deepEqual(await computed(runner, prompt, borders), whole, `${length} tokens cut at ${borders}`);
    }
  }
}

for (const name of [
  "tiny-llama/base",
  "tiny-qwen2/base",
  "tiny-llama-kquant/model.gguf",
  "tiny-qwen2-window/base",
]) {
  test(`${name}: wherever a prompt is cut, its keys, values and logits are the same`, async () => {
    const out = path.join(folder, name.replaceAll("/", "-"));
    const folders = await importTiny(tinyStudent(name).source, out, ["fp32", "q8", "q4"]);
    for (const student of Object.values(folders)) {
      const contextLength = Math.min(student.config.positions, 240);
      for (const threads of [1, 2]) {
        const options = { contextLength, prefillChunkTokens: 128, threads, probeChunking: true };
        const runner = await openRunner(student, options);
        const lengths = [4, 17, 20, 33, 49, 65, 100, 129, 131, 211].filter(
          (length) => length <= contextLength,
        );
        await assertCutsDoNotShow(runner, lengths, 4);
        runner.close();
      }
    }
  });
}

async function openEngine(student: StudentFolder, contextLength: number, prefixCacheTokens: number) {
  const runner = await openRunner(student, {
    maxRows: 4,
    contextLength,
    prefillChunkTokens: 64,
    threads: 2,
    probeChunking: true,
  });
  return new Engine({ runner, tokenizer: toyTokens, eosTokenIds: student.endTokenIds, prefixCacheTokens });
}

/** Prompts of two instructions with questions of many lengths, greedy and sampled, all with log-probabilities. */
function workload(vocabSize: number, questions: number, longest: number): GenerationRequest[] {
  const random = new SeededRandom(9);
  const instructions = [37, 16, 70].map((length) =>
    randomTokens(random, Math.min(length, longest), vocabSize),
  );
  return Array.from({ length: questions }, (_, number) => {
    const instruction = instructions[(number >> 1) % 3]!;
    const question = randomTokens(random, 1 + random.below(40), vocabSize);
    return toyRequest({
      id: `request ${number}`,
      promptTokens: Int32Array.of(...instruction, ...question).subarray(0, longest),
      samples: 1 + (number % 2),
      sampling:
        number % 2 === 0
          ? { topLogprobs: 3, maxTokens: 6 }
          : { ...SAMPLED, topK: 30, seed: number, topLogprobs: 2, maxTokens: 6 },
    });
  });
}

/** Each request alone without a cache; then all at once, in a cache that holds all, again, and in one that evicts. */
async function assertReuseDoesNotShow(student: StudentFolder, questions: number) {
  const contextLength = Math.min(student.config.positions, 128);
  const requests = workload(student.config.vocabSize, questions, contextLength - 8);
  const cold = await openEngine(student, contextLength, 0);
  const expected = [];
  for (const request of requests) expected.push((await cold.submit(request).done).samples);
  await cold.close();
  for (const [prefixCacheTokens, rounds] of [
    [4096, 2],
    [112, 1],
  ] as const) {
    const warm = await openEngine(student, contextLength, prefixCacheTokens);
    for (let round = 0; round < rounds; round++) {
      const generations = requests.map((request) => warm.submit(request));
      for (const [number, generation] of generations.entries()) {
        const { samples } = await generation.done;
        assert.deepEqual(samples, expected[number], `${prefixCacheTokens} tokens, round ${round}, ${number}`);
      }
    }
    const { prefixHitTokens, prefixQueriedTokens } = warm.stats();
    assert.ok(prefixHitTokens > prefixQueriedTokens / 20, `${prefixHitTokens} of ${prefixQueriedTokens} hit`);
    await warm.close();
  }
}

for (const name of ["tiny-llama/base", "tiny-qwen3/base"]) {
  test(`${name}: tokens and log-probabilities are bit for bit the same with and without reuse, in each dtype`, async () => {
    const out = path.join(folder, `engine-${name.replaceAll("/", "-")}`);
    const folders = await importTiny(tinyStudent(name).source, out, ["fp32", "q8", "q4"]);
    for (const student of Object.values(folders)) await assertReuseDoesNotShow(student, 24);
  });
}

test("float16 keys and values are kept and reused as they are, at whole chunks", async () => {
  const { source } = tinyStudent("tiny-llama/base");
  const folders = await importTiny(source, path.join(folder, "float16"), ["fp16", "q4f16"]);
  for (const student of Object.values(folders)) await assertReuseDoesNotShow(student, 16);
});

test("the shipped student: wherever a prompt is cut, its bits are the same", {
  skip,
}, async () => {
  const student = openStudentFolder(SHIPPED);
  const runner = await openRunner(student, {
    contextLength: 320,
    prefillChunkTokens: 128,
    threads: 2,
    probeChunking: true,
  });
  await assertCutsDoNotShow(runner, [55, 65, 287], 2);
  runner.close();
});

test("the shipped student: answers are bit for bit the same with and without reuse", { skip }, async () => {
  await assertReuseDoesNotShow(openStudentFolder(SHIPPED), 6);
});
