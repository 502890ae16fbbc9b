// The engine with its steps and cache on a device: WebGPU over software Vulkan, beside the processor.

import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { Engine } from "../../src/engine/engine.ts";
import type { OnnxModelRunner } from "../../src/engine/onnx-model-runner.ts";
import type { GenerationRequest } from "../../src/engine/request.ts";
import type { StudentFolder } from "../../src/student/open-student-folder.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { NO_SOFTWARE_GPU, useSoftwareGpu } from "../support/software-gpu.ts";
import { greedyTokens, importTiny, openRunner, prefilled, tinyStudent } from "../support/tiny-students.ts";
import { SAMPLED, toyRequest, toyTokens } from "../support/toy-engine.ts";

const skip = NO_SOFTWARE_GPU;
const folder = scratchFolder();
const SIZES = { maxRows: 4, contextLength: 64, prefillChunkTokens: 16, prefixBlocks: 8 } as const;
const BLOCK = 16;

let student: StudentFolder;
let host: OnnxModelRunner;
let device: OnnxModelRunner;

// Shaders are compiled once a process, which takes seconds: one runner serves all tests, one after the other.
before(async () => {
  if (skip !== false) return;
  useSoftwareGpu();
  const { fp32 } = await importTiny(tinyStudent("tiny-llama/base").source, path.join(folder, "student"), [
    "fp32",
  ]);
  student = fp32;
  host = await openRunner(student, SIZES);
  device = await openRunner(student, { ...SIZES, device: "webgpu" });
});

after(() => {
  host?.close();
  device?.close();
});

const prompts = [7, 12, 3, 20].map((length, row) =>
  Int32Array.from({ length }, (_, at) => (at * 31 + row * 17 + 5) % 160),
);

function assertClose(found: Float32Array, expected: Float32Array, what: string): void {
  assert.equal(found.length, expected.length);
  const worst = found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0);
  assert.ok(worst < 1e-4, `${what}: logits differ by ${worst}`);
}

/** Logits of rows of four lengths decoded together, of a row moved into a hole, of a prompt in chunks, and of one whose
 * beginning was kept and put back. */
async function logitsOf(runner: OnnxModelRunner): Promise<Map<string, Float32Array>> {
  const { vocabSize: V } = runner;
  const found = new Map<string, Float32Array>();
  for (const [row, prompt] of prompts.entries()) {
    found.set(`prompt ${row}`, await prefilled(runner, prompt, SIZES.prefillChunkTokens));
    runner.copyRow(runner.promptRow, row, prompt.length);
  }
  for (let step = 0; step < 4; step++) {
    const tokens = Int32Array.from(prompts, (_, row) => (step * 13 + row * 7 + 1) % V);
    const pastLengths = Int32Array.from(prompts, ({ length }) => length + step);
    const { logits } = await runner.decode(4, tokens, pastLengths, true);
    found.set(`step ${step}`, logits!.slice(0, 4 * V));
  }
  // Row 0 ends: the last one takes its place, and then that one's place is taken in the same pause.
  const [first, second, third, last] = prompts.map(({ length }) => length + 4) as [
    number,
    number,
    number,
    number,
  ];
  runner.copyRow(3, 0, last);
  runner.copyRow(2, 3, third);
  runner.copyRow(3, 2, third);
  const { logits } = await runner.decode(3, Int32Array.of(1, 2, 3), Int32Array.of(last, second, third), true);
  found.set("moved rows", logits!.slice(0, 3 * V));
  assert.ok(first < last);

  const [, , , long] = prompts as [Int32Array, Int32Array, Int32Array, Int32Array];
  await prefilled(runner, long, 8);
  const block = runner.newBlock(BLOCK);
  runner.saveTokens(0, 10, block, 0);
  runner.saveTokens(10, 6, block, 10);
  await runner.prefill(prompts[0]!, 0, false);
  runner.loadTokens(0, BLOCK, block);
  found.set("kept beginning", (await runner.prefill(long.subarray(BLOCK), BLOCK, true)).logits!.slice(0, V));
  return found;
}

test("rows of any lengths, moved rows and kept beginnings have the processor's logits", {
  skip,
}, async () => {
  const expected = await logitsOf(host);
  const found = await logitsOf(device);
  for (const [what, logits] of expected) assertClose(found.get(what)!, logits, what);
  const whole = await prefilled(host, prompts[3]!, SIZES.prefillChunkTokens);
  assertClose(found.get("kept beginning")!, whole, "kept beginning");
});

test("greedy tokens are the processor's", { skip }, async () => {
  const { greedy } = tinyStudent("tiny-llama/base").reference;
  const prompt = greedy.subarray(0, 9);
  assert.deepEqual(await greedyTokens(device, prompt, 24), [...greedy.subarray(9)]);
});

test("what crosses the bus in a step depends on rows and tokens, not on how much the cache holds", {
  skip,
}, async () => {
  const stepBytes = async (runner: OnnxModelRunner, past: number, rows: number, wantLogits = false) => {
    const before = runner.transferredBytes;
    const fill = new Int32Array(rows);
    await runner.decode(
      rows,
      fill,
      fill.map(() => past),
      wantLogits,
    );
    return runner.transferredBytes - before;
  };
  const { candidateCount: k, vocabSize } = device;
  // A token, a length and the longest go; candidates, their logits and the best one's probability come.
  const bytesFor = (rows: number) => 4 + rows * (8 + 4 + k * (4 + 8) + 4);
  for (const rows of [2, 4]) {
    for (const past of [3, 60]) assert.equal(await stepBytes(device, past, rows), bytesFor(rows));
  }
  assert.equal(await stepBytes(device, 9, 2, true), bytesFor(2) + 2 * vocabSize * 4);
  const longer = await openRunner(student, { ...SIZES, contextLength: 256, device: "webgpu" });
  assert.equal(await stepBytes(longer, 250, 2), bytesFor(2));
  longer.close();
  assert.equal(host.transferredBytes, 0);
});

test("a cache that the device has no memory for is refused with its size", { skip }, async () => {
  const endless = { ...student, config: { ...student.config, positions: 2 ** 24 } };
  await assert.rejects(
    openRunner(endless, { ...SIZES, maxRows: 1024, contextLength: 2 ** 24, device: "webgpu" }),
    (error: unknown) => {
      assert.ok(error instanceof MagdiError, String(error));
      assert.equal(error.code, "MAGDI_BAD_CONFIG");
      assert.match(error.message, /cache of 1025 rows of 16777216 tokens takes 4 × \d+ bytes/);
      return true;
    },
  );
  assert.equal((await greedyTokens(device, prompts[1]!, 3)).length, 3, "what runs goes on");
});

/** The requests' samples by request, all at once. */
async function answers(engine: Engine, requests: readonly GenerationRequest[]) {
  const results = await Promise.all(requests.map((request) => engine.submit(request).done));
  return results.map(({ samples }) => samples.map(({ tokenIds, finishReason }) => [finishReason, tokenIds]));
}

/** A runner that its engine must not close. */
const lent = (runner: OnnxModelRunner): OnnxModelRunner =>
  new Proxy(runner, {
    get(target, key) {
      if (key === "close") return () => {};
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

const engineOver = (runner: OnnxModelRunner) =>
  new Engine({
    runner: lent(runner),
    tokenizer: toyTokens,
    eosTokenIds: student.endTokenIds,
    prefixCacheTokens: SIZES.prefixBlocks * BLOCK,
  });

test("batches, more samples than rows, kept prompts and a cancelled stranger: the processor's tokens", {
  skip,
}, async () => {
  const beginning = Array.from({ length: 20 }, (_, at) => (at * 7 + 3) % 160);
  const requests = [5, 3, 1, 6].map((samples, number) =>
    toyRequest({
      id: `request ${number}`,
      promptTokens: Int32Array.of(...beginning, number + 1, number + 2),
      samples,
      sampling: {
        ...(number === 2 ? {} : SAMPLED),
        maxTokens: 4 + 2 * number,
        seed: number,
        ignoreEos: true,
      },
    }),
  );
  const onHost = engineOver(host);
  const expected = await answers(onHost, requests);
  await onHost.close();

  const engine = engineOver(device);
  const stranger = engine.submit(toyRequest({ id: "stranger", samples: 3, sampling: { maxTokens: 40 } }), {
    onToken() {
      stranger.cancel("disconnect");
    },
  });
  assert.deepEqual(await answers(engine, requests), expected);
  const { samples } = await stranger.done;
  assert.deepEqual(
    samples.map(({ finishReason }) => finishReason),
    ["disconnect", "disconnect", "disconnect"],
  );
  const { prefixHitTokens, ...stats } = engine.stats();
  assert.ok(prefixHitTokens > 0, "the beginning was kept");
  assert.deepEqual([stats.state, stats.samplesRunning], ["ready", 0]);
  await engine.close();
});

test("500 requests leave no memory behind", { skip }, async () => {
  writeRandomBase(path.join(folder, "small-base"), { config: { vocab_size: 160 } });
  const { fp32 } = await importTiny(path.join(folder, "small-base"), path.join(folder, "small"), ["fp32"]);
  const runner = await openRunner(fp32, { ...SIZES, maxRows: 2, device: "webgpu" });
  const engine = new Engine({
    runner,
    tokenizer: toyTokens,
    eosTokenIds: fp32.endTokenIds,
    prefixCacheTokens: SIZES.prefixBlocks * BLOCK,
    maxWaitingSamples: 500,
  });
  let number = 0;
  const ask = async (count: number): Promise<number> => {
    const generations = Array.from({ length: count }, () => {
      number += 1;
      const promptTokens = Int32Array.of(number % 150, number % 7);
      const maxTokens = number % 5 === 0 ? 2 : 1;
      return engine.submit(toyRequest({ id: `${number}`, promptTokens, sampling: { maxTokens } }));
    });
    await Promise.all(generations.map(({ done }) => done));
    return process.memoryUsage().rss;
  };
  const settled = await ask(100);
  const end = await ask(400);
  await engine.close();
  assert.ok(end < 1.05 * settled, `from ${settled} bytes to ${end}`);
});
