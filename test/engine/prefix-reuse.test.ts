// What requests reuse of each other's prompts: which steps are left, what is counted, and that no answer shows it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { GenerationRequest, GenerationResult } from "../../src/engine/request.ts";
import type { HistoryModelOptions, StepRecord } from "../support/history-model-runner.ts";
import { alone, Ear, SAMPLED, toyEngine, toyRequest, toyTokens } from "../support/toy-engine.ts";

const INSTRUCTION = Int32Array.from({ length: 21 }, (_, at) => (at * 7 + 3) % toyTokens.vocabSize);

const ask = (question: readonly number[], fields: Parameters<typeof toyRequest>[0] = {}) =>
  toyRequest({ promptTokens: Int32Array.of(...INSTRUCTION, ...question), ...fields });

const reusing = (model: Partial<HistoryModelOptions> = {}, prefixCacheTokens = 1024) =>
  toyEngine(model, { prefixCacheTokens });

const prefills = (steps: readonly StepRecord[]) =>
  steps
    .filter((step) => step.phase === "prefill")
    .map((step) => `${step.pastLengths[0]}+${step.tokens.length}`);

const counts = ({ promptTokens, promptTokensReused, promptTokensComputed }: GenerationResult) => [
  promptTokens,
  promptTokensReused,
  promptTokensComputed,
];

test("a prompt computes only what no prompt before it began with", async () => {
  const { engine, runner } = reusing();
  const first = await engine.submit(ask([1, 2, 3, 4])).done;
  assert.deepEqual(counts(first), [25, 0, 25]);
  assert.deepEqual(prefills(runner.steps.splice(0)), ["0+8", "8+8", "16+6", "22+3"]);
  const request = ask([1, 2, 9, 9, 9, 9], { samples: 3 });
  const second = await engine.submit(request).done;
  assert.deepEqual(counts(second), [27, 22, 5]);
  assert.deepEqual(prefills(runner.steps), ["22+5"]);
  assert.deepEqual(second.samples, await alone(request));
  const { prefixQueriedTokens, prefixHitTokens, kvCacheUsageRatio } = engine.stats();
  assert.deepEqual([prefixQueriedTokens, prefixHitTokens, kvCacheUsageRatio], [52, 22, 0]);
  await engine.close();
});

test("the same prompt again computes two tokens, or three where there is one more", async () => {
  for (const [length, reused] of [
    [1, 0],
    [2, 0],
    [3, 0],
    [4, 2],
    [20, 18],
    [21, 18],
  ] as const) {
    const { engine } = reusing();
    const request = toyRequest({ promptTokens: INSTRUCTION.subarray(0, length) });
    const first = await engine.submit(request).done;
    const second = await engine.submit(request).done;
    assert.deepEqual(counts(second), [length, reused, length - reused]);
    assert.deepEqual(second.samples, first.samples);
    await engine.close();
  }
});

test("of two equal prompts that wait together the second reuses the first", async () => {
  const { engine, runner } = reusing({ maxRows: 2 });
  const request = ask([1, 2, 3], { samples: 2 });
  const [first, second] = [engine.submit(request), engine.submit(request)];
  const results = await Promise.all([first.done, second.done]);
  assert.deepEqual(results.map(counts), [
    [24, 0, 24],
    [24, 22, 2],
  ]);
  assert.deepEqual(results[1]?.samples, results[0]?.samples);
  assert.deepEqual(prefills(runner.steps), ["0+8", "8+8", "16+8", "22+2"]);
  await engine.close();
});

test("a model that may be cut at whole chunks only reuses whole chunks", async () => {
  const { engine, runner } = reusing({ chunkAlignmentTokens: 8 });
  const requests = [4, 6, 10].map((length) => ask(Array.from({ length }, (_, at) => at + 1)));
  const reused: number[] = [];
  for (const request of requests) {
    const { samples, promptTokensReused } = await engine.submit(request).done;
    assert.deepEqual(samples, await alone(request, { chunkAlignmentTokens: 8 }));
    reused.push(promptTokensReused);
  }
  assert.deepEqual(prefills(runner.steps), ["0+8", "8+8", "16+6", "22+3", "16+8", "24+3", "24+7"]);
  assert.deepEqual(reused, [0, 16, 24], "what followed the cut at 22 is not kept");
  await engine.close();
});

test("scopes reuse nothing of each other's", async () => {
  const { engine } = reusing();
  const reused: number[] = [];
  for (const prefixScope of ["ada", "bob", "ada", "bob", ""]) {
    reused.push((await engine.submit(ask([1, 2, 3], { prefixScope })).done).promptTokensReused);
  }
  const { prefixScope: _, ...unscoped } = ask([1, 2, 3], { prefixScope: "" });
  reused.push((await engine.submit(unscoped).done).promptTokensReused);
  assert.deepEqual(reused, [0, 0, 22, 22, 0, 22]);
  await engine.close();
});

test("an engine without a prefix cache reuses and counts nothing", async () => {
  const { engine, runner } = toyEngine();
  const request = ask([1, 2, 3]);
  await engine.submit(request).done;
  const { promptTokensReused } = await engine.submit(request).done;
  const { prefixQueriedTokens, prefixHitTokens } = engine.stats();
  assert.deepEqual([promptTokensReused, prefixQueriedTokens, prefixHitTokens], [0, 0, 0]);
  assert.equal(prefills(runner.steps).length, 6);
  await engine.close();
});

test("a prefill that was cut off leaves the chunks it computed, and nothing else", async () => {
  const { engine, runner } = reusing();
  const cut = engine.submit(ask([1, 2, 3]));
  runner.duringStep = (step) => {
    if (step.pastLengths[0] === 8) cut.cancel("disconnect");
  };
  assert.deepEqual(counts(await cut.done), [24, 0, 16]);
  runner.duringStep = () => {};
  const request = ask([1, 2, 3]);
  const result = await engine.submit(request).done;
  assert.deepEqual(counts(result), [24, 16, 8]);
  assert.deepEqual(result.samples, await alone(request));

  const waiting = engine.submit(ask([4, 5, 6]));
  waiting.cancel("cancelled");
  assert.deepEqual(counts(await waiting.done), [24, 0, 0]);
  assert.equal(engine.stats().prefixQueriedTokens, 48, "who never began looked nothing up");
  await engine.close();
});

test("a failed chunk is not kept", async () => {
  const { engine, runner } = reusing();
  runner.duringStep = (step) => {
    if (step.pastLengths[0] === 8) throw new Error("broken");
  };
  const saved: number[] = [];
  const saveTokens = runner.saveTokens.bind(runner);
  runner.saveTokens = (from, count, ...rest) => {
    saved.push(from + count);
    saveTokens(from, count, ...rest);
  };
  await assert.rejects(engine.submit(ask([1, 2, 3])).done, { code: "MAGDI_ENGINE_FAILED" });
  assert.deepEqual(saved, [8]);
  await engine.close();
});

test("answers are the same cold, warm, half warm and after eviction, greedy and sampled", async () => {
  const requests: GenerationRequest[] = [];
  for (let number = 0; number < 12; number++) {
    const promptTokens = Int32Array.of(
      ...INSTRUCTION.subarray(0, 5 + number),
      ...[8, 9, 10, 11].slice(0, number % 5),
    );
    const sampling = number % 2 === 0 ? { topLogprobs: 3 } : { ...SAMPLED, topLogprobs: 2, seed: number };
    requests.push(toyRequest({ id: `${number}`, promptTokens, samples: 1 + (number % 2), sampling }));
  }
  const cold = await Promise.all(requests.map((request) => alone(request)));
  for (const prefixCacheTokens of [16, 32, 48, 1024]) {
    const { engine } = reusing({}, prefixCacheTokens);
    for (let round = 0; round < 3; round++) {
      const generations = requests.map((request) => engine.submit(request, new Ear()));
      const results = await Promise.all(generations.map((generation) => generation.done));
      assert.deepEqual(
        results.map((result) => result.samples),
        cold,
      );
    }
    assert.ok(engine.stats().prefixHitTokens > 100);
    await engine.close();
  }
});
