// The promise that nothing else in the batch changes a request: seeded random workloads against each request alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import type { CancelReason } from "../../src/base/finish-reason.ts";
import { sampleRandom } from "../../src/engine/random.ts";
import type { Generation, GenerationRequest, SamplingParams } from "../../src/engine/request.ts";
import { rowCost } from "../../src/engine/row-memory.ts";
import { alone, Ear, GREEDY, inWaves, SAMPLED, toyEngine, toyTokens } from "../support/toy-engine.ts";

const ADA = { name: "ada", weight: 1 };

interface Submission {
  readonly request: GenerationRequest;
  readonly ear: Ear;
  /** Samples that start at a time. */
  readonly wave: number;
  generation: Generation | null;
}

function workload(seed: number) {
  const random = sampleRandom(seed, 0);
  const below = (count: number) => Math.floor(random.nextFloat() * count);
  const oneOf = <T>(items: readonly T[]): T => items[below(items.length)]!;
  const contextLength = 64;

  const model = {
    maxRows: 1 + below(8),
    prefillChunkTokens: 4 + 2 * below(4),
    contextLength,
    endEvery: 12,
  };
  const beginning = Int32Array.from({ length: 40 }, () => below(toyTokens.vocabSize));
  const prefixCacheTokens = oneOf([0, 20, 64, 1000]);
  const requests = Array.from({ length: 3 + below(10) }, (_, number): GenerationRequest => {
    const samples = oneOf([1, 1, 2, 3, 7]);
    const filters: readonly Partial<SamplingParams>[] = [
      {},
      { topK: 11 },
      { topK: 0 },
      { topK: 0, topP: 0.9 },
      { topK: 6, minP: 0.2, temperature: 1.4 },
      { logitBias: new Map([[9, 2]]) },
    ];
    return {
      id: `request ${number}`,
      promptTokens: Int32Array.of(
        ...beginning.subarray(0, oneOf([0, below(41)])),
        ...Array.from({ length: 1 + below(oneOf([4, 23])) }, () => below(toyTokens.vocabSize)),
      ),
      prefixScope: oneOf(["", "", "ada"]),
      // The first ones fill the rows.
      caller: number < 3 ? ADA : oneOf([ADA, { name: "bob", weight: 2 }, { name: "cid", weight: 1 }]),
      samples,
      queueTimeoutMs: oneOf([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 5 + below(60)]),
      timeoutMs: oneOf([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 5 + below(80)]),
      sampling: {
        ...(samples > 1 || below(2) === 0 ? SAMPLED : GREEDY),
        ...oneOf(filters),
        maxTokens: 1 + below(30),
        minTokens: oneOf([0, 0, 3, 12]),
        ignoreEos: below(6) === 0,
        stop: oneOf([[], [], ["a"], ["ab", "é", "x"], [" ", "\n!"]]),
        seed: below(1000),
        topLogprobs: oneOf([null, null, 0, 4, 20]),
      },
    };
  });
  // Memory for one full row at least, or for all.
  const pageTokens = oneOf([1, 8, 16]);
  const tokens = Math.floor(rowCost(contextLength, pageTokens) * oneOf([1, 1.3, 2]));
  const rowBudget = oneOf([null, { tokens, pageTokens }]);
  // Half of the models mostly repeat themselves, and check drafts.
  const said = oneOf([{}, { period: 4, checksDrafts: true }]);
  return { model: { ...model, ...said }, prefixCacheTokens, rowBudget, requests, below, oneOf };
}

async function runWorkload(seed: number) {
  const { model, prefixCacheTokens, rowBudget, requests, below, oneOf } = workload(seed);
  const maxWaitingSamples = 200;
  const { engine, runner, clock } = toyEngine(model, {
    maxWaitingSamples,
    prefixCacheTokens,
    rowBudget,
    onStep: () => act("between"),
  });
  // Half of the requests start their samples in waves.
  const waves = sampleRandom(seed, 1);
  const submissions: Submission[] = requests.map((request) => ({
    request,
    ear: new Ear(),
    wave: waves.nextFloat() < 0.5 ? request.samples : 1 + Math.floor(3 * waves.nextFloat()),
    generation: null,
  }));
  const reasons: readonly CancelReason[] = ["cancelled", "decided", "disconnect"];
  let next = 0;
  const submitNext = () => {
    const submission = submissions[next++];
    if (submission === undefined) return;
    submission.generation = inWaves(engine, submission.request, submission.wave, submission.ear);
  };
  const act = (when: "during" | "between") => {
    if (when === "during") clock.advance(1, { late: below(3) === 0 });
    if (below(5) === 0) submitNext();
    if (waves.nextFloat() < 0.1) {
      // Before the wave has ended, and maybe before the prompt is computed.
      const early = submissions[Math.floor(waves.nextFloat() * submissions.length)]!;
      early.generation?.start(1 + Math.floor(early.request.samples * waves.nextFloat()));
    }
    if (below(12) === 0) {
      const victim = submissions[below(submissions.length)]!;
      victim.generation?.cancel(oneOf(reasons), below(2) === 0 ? undefined : below(victim.request.samples));
    }
  };
  runner.duringStep = () => {
    if (rowBudget !== null) assert.ok(runner.heldTokens(rowBudget.pageTokens) <= rowBudget.tokens);
    act("during");
  };
  while (next < submissions.length) {
    submitNext();
    if (below(2) === 0) {
      await Promise.allSettled(submissions.map((submission) => submission.generation?.done));
    }
  }
  let compared = 0;
  let later = 0;
  for (const { request, ear, wave, generation } of submissions) {
    const expected = await alone(request, { ...model, maxRows: 8 });
    try {
      const result = await generation!.done;
      assert.deepEqual(
        result.samples.map((sample) => sample.index),
        expected.map((sample) => sample.index),
      );
      for (const sample of result.samples) {
        const reference = expected[sample.index]!;
        if (sample.finishReason === "stop" || sample.finishReason === "length") {
          assert.deepEqual(sample, reference, `seed ${seed}, ${request.id}`);
          compared++;
          if (sample.index >= wave) later++;
        } else {
          assert.deepEqual(sample.tokenIds, reference.tokenIds.slice(0, sample.tokenIds.length));
          assert.ok(sample.tokenIds.length < reference.tokenIds.length || reference.tokenIds.length === 0);
          const streamed = sample.text.slice(0, sample.text.length - sample.tail.length);
          assert.ok(reference.text.startsWith(streamed));
        }
        assert.deepEqual(
          ear.ended.find((ended) => ended.index === sample.index),
          sample,
        );
      }
      const { promptTokens, promptTokensComputed, promptTokensReused } = result;
      const known = promptTokensComputed + promptTokensReused;
      assert.ok(result.timing.prefillEndMs === null ? known <= promptTokens : known === promptTokens);
    } catch (error) {
      if (!(error instanceof MagdiError)) throw error;
      assert.equal(error.code, "MAGDI_QUEUE_TIMEOUT");
      assert.deepEqual([ear.prefillStarts, ear.events.length], [0, 0]);
    }
  }
  const { prefixQueriedTokens, prefixHitTokens, preemptions, recomputedTokens, ...rest } = engine.stats();
  const { draftedTokens, acceptedDraftTokens, ...stats } = rest;
  assert.ok(acceptedDraftTokens <= draftedTokens && (runner.checksDrafts || draftedTokens === 0));
  assert.ok(prefixHitTokens <= prefixQueriedTokens && (prefixCacheTokens > 0 || prefixQueriedTokens === 0));
  assert.deepEqual(stats, {
    state: "ready",
    requestsWaiting: 0,
    samplesWaiting: 0,
    requestsRunning: 0,
    samplesRunning: 0,
    kvCacheUsageRatio: 0,
  });
  assert.equal(clock.pendingTimers, 0);
  await engine.close();
  return { compared, later, reused: prefixHitTokens, preemptions, recomputedTokens, acceptedDraftTokens };
}

test("a request's samples are bit for bit the same alone and among strangers that come, go and are cancelled, with and without reused prefixes, start in waves, and give rows back to other callers", async () => {
  let compared = 0;
  let later = 0;
  let reused = 0;
  let preemptions = 0;
  let recomputed = 0;
  let accepted = 0;
  for (let seed = 0; seed < 150; seed++) {
    const run = await runWorkload(seed);
    compared += run.compared;
    later += run.later;
    reused += run.reused;
    preemptions += run.preemptions;
    recomputed += run.recomputedTokens;
    accepted += run.acceptedDraftTokens;
  }
  assert.ok(compared > 1000, `${compared} samples ran to their own end`);
  assert.ok(later > 100, `${later} of them started later`);
  assert.ok(reused > 1000, `${reused} tokens were reused`);
  assert.ok(preemptions > 20, `${preemptions} rows were given back`);
  assert.ok(recomputed > 500, `${recomputed} tokens were computed again`);
  assert.ok(accepted > 50, `${accepted} drafted tokens were right`);
});

test("sample 0 of many is the one of one, and samples of one seed differ", async () => {
  const request = {
    id: "many",
    promptTokens: Int32Array.of(4, 5, 6),
    samples: 8,
    queueTimeoutMs: Number.POSITIVE_INFINITY,
    timeoutMs: Number.POSITIVE_INFINITY,
    sampling: { ...SAMPLED, maxTokens: 20, seed: 2 ** 53 - 1 },
  };
  const many = await alone(request);
  const [one] = await alone({ ...request, samples: 1 });
  assert.deepEqual(many[0], one);
  assert.equal(new Set(many.map((sample) => sample.text)).size, 8);
  const narrow = await alone(request, { maxRows: 2 });
  assert.deepEqual(narrow, many, "also when samples wait for rows");
});
