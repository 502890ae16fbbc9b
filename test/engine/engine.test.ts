// What an engine accepts, what it does when something fails, and how it ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Engine } from "../../src/engine/engine.ts";
import type { EngineStats, GenerationRequest, SamplingParams, StepReport } from "../../src/engine/request.ts";
import { alone, Ear, rejection, toyEngine, toyRequest, toyTokens } from "../support/toy-engine.ts";

const IDLE: EngineStats = {
  state: "ready",
  requestsWaiting: 0,
  samplesWaiting: 0,
  requestsRunning: 0,
  samplesRunning: 0,
  kvCacheUsageRatio: 0,
  prefixQueriedTokens: 0,
  prefixHitTokens: 0,
  preemptions: 0,
  recomputedTokens: 0,
  draftedTokens: 0,
  acceptedDraftTokens: 0,
};

test("the waiting queue is bounded in samples, and cancelling makes room", async () => {
  const { engine } = toyEngine({ maxRows: 1 }, { maxWaitingSamples: 5 });
  assert.equal(engine.maxSamplesPerRequest, 5, "more could never wait");
  engine.assertRoom(5);
  const first = engine.submit(toyRequest({ samples: 3 }));
  const second = engine.submit(toyRequest({ samples: 2 }));
  const full = { code: "MAGDI_QUEUE_FULL", details: { samples_waiting: 5, max_waiting_samples: 5 } };
  assert.throws(() => engine.assertRoom(1), full);
  assert.throws(() => engine.submit(toyRequest()), full);
  assert.deepEqual(engine.stats(), { ...IDLE, requestsWaiting: 2, samplesWaiting: 5 });
  second.cancel("cancelled", 0);
  engine.assertRoom(1);
  assert.throws(() => engine.assertRoom(2), { code: "MAGDI_QUEUE_FULL" });
  await Promise.all([first.done, second.done]);
  engine.assertRoom(5);
  assert.deepEqual(engine.stats(), IDLE);
});

test("stats tell what waits, what runs and how full the cache is", async () => {
  const seen: EngineStats[] = [];
  const { engine, runner } = toyEngine({ maxRows: 3, contextLength: 10, prefillChunkTokens: 2 });
  runner.duringStep = () => {
    seen.push(engine.stats());
  };
  const promptTokens = Int32Array.of(5, 6, 7, 8);
  const one = engine.submit(toyRequest({ promptTokens, samples: 2, sampling: { maxTokens: 2 } }));
  const two = engine.submit(toyRequest({ promptTokens, sampling: { maxTokens: 1 } }));
  await Promise.all([one.done, two.done]);
  const brief = seen.map((stats) => [
    stats.requestsWaiting,
    stats.samplesWaiting,
    stats.requestsRunning,
    stats.samplesRunning,
    Math.round(stats.kvCacheUsageRatio * 40),
  ]);
  assert.deepEqual(brief, [
    [1, 1, 1, 2, 2],
    [1, 1, 1, 2, 4],
    [0, 0, 2, 3, 8],
    [0, 0, 1, 1, 2],
    [0, 0, 1, 1, 4],
  ]);
  assert.deepEqual(engine.stats(), IDLE);
});

test("prompt and tokens share the context: too long is refused, the rest is clamped", async () => {
  const { engine } = toyEngine({ contextLength: 16 });
  const promptOf = (length: number) => new Int32Array(length).fill(7);
  assert.throws(() => engine.submit(toyRequest({ promptTokens: promptOf(16) })), {
    code: "MAGDI_CONTEXT_LENGTH",
    details: { prompt_tokens: 16, context_length: 16 },
  });
  for (const [length, generated] of [
    [15, 1],
    [10, 6],
    [1, 15],
  ] as const) {
    const request = toyRequest({ promptTokens: promptOf(length), sampling: { maxTokens: 1000 } });
    const [sample] = (await engine.submit(request).done).samples;
    assert.deepEqual([sample!.tokenIds.length, sample!.finishReason], [generated, "length"]);
  }
});

test("requests that make no sense are refused, each by its field", () => {
  const { engine } = toyEngine();
  const refused = (param: string, fields: Partial<Omit<GenerationRequest, "sampling">>, sampling = {}) =>
    assert.throws(() => engine.submit(toyRequest({ ...fields, sampling })), {
      code: "MAGDI_BAD_REQUEST",
      param,
    });
  for (const samples of [0, 33, 1.5, Number.NaN]) refused("samples", { samples });
  refused("promptTokens", { promptTokens: new Int32Array(0) });
  refused("promptTokens", { promptTokens: Int32Array.of(3, toyTokens.vocabSize) });
  refused("promptTokens", { promptTokens: Int32Array.of(-1) });
  const beyond = toyRequest({ promptTokens: Int32Array.of(3, toyTokens.vocabSize) });
  assert.throws(
    () => engine.submit(beyond),
    /has no embedding of: expected ids below \d+, found \d+ \(""\)$/,
  );
  refused("queueTimeoutMs", { queueTimeoutMs: -1 });
  for (const timeoutMs of [0, Number.NaN]) refused("timeoutMs", { timeoutMs });
  const bad: { readonly [K in keyof SamplingParams]?: readonly SamplingParams[K][] } = {
    temperature: [-0.1, Number.NaN, Number.POSITIVE_INFINITY],
    topK: [-1, 0.5, Number.NaN],
    topP: [0, 1.01, Number.NaN],
    minP: [-0.1, 1.1, Number.NaN],
    maxTokens: [0, 2.5, Number.POSITIVE_INFINITY],
    minTokens: [-1, 0.5],
    seed: [-1, 0.5, 2 ** 53],
    topLogprobs: [-1, 21, 0.5],
    stop: [[""], ["a", ""]],
    logitBias: [new Map([[toyTokens.vocabSize, 1]]), new Map([[1, Number.NaN]])],
  };
  for (const [param, values] of Object.entries(bad)) {
    for (const value of values) refused(param, {}, { [param]: value });
  }
  assert.deepEqual(engine.stats(), IDLE);
});

test("the request's prompt is its own: changing the array afterwards changes nothing", async () => {
  const { engine } = toyEngine();
  const promptTokens = Int32Array.of(8, 9, 10);
  const generation = engine.submit(toyRequest({ promptTokens }));
  promptTokens.fill(4);
  assert.deepEqual(
    (await generation.done).samples,
    await alone(toyRequest({ promptTokens: Int32Array.of(8, 9, 10) })),
  );
});

test("a failed step ends everybody, and the engine serves no more", async () => {
  const { engine, runner, clock } = toyEngine({ maxRows: 1 });
  const broken = new Error("the device is gone");
  runner.duringStep = () => {
    if (runner.steps.length === 3) throw broken;
  };
  const running = engine.submit(toyRequest({ samples: 2, timeoutMs: 1000 }));
  const waiting = engine.submit(toyRequest({ queueTimeoutMs: 500 }));
  for (const generation of [running, waiting]) {
    const error = await rejection(generation);
    assert.ok(error instanceof Error);
    assert.match(error.message, /the device is gone/);
    assert.equal(error.cause, broken);
  }
  assert.throws(() => engine.submit(toyRequest()), { code: "MAGDI_ENGINE_FAILED" });
  assert.throws(() => engine.assertRoom(1), { code: "MAGDI_ENGINE_FAILED" });
  assert.deepEqual(engine.stats(), { ...IDLE, state: "failed" });
  assert.equal(clock.pendingTimers, 0);
  await engine.close();
  assert.ok(runner.closed);
});

test("numbers that make no sense end only the request that got them", async () => {
  const { engine, runner } = toyEngine({ maxRows: 2 });
  const decode = runner.decode.bind(runner);
  runner.decode = async (...step) => {
    const output = await decode(...step);
    if (runner.steps.length === 5) output.logSumExp[1] = Number.NaN;
    return output;
  };
  const sound = toyRequest({ sampling: { maxTokens: 10 } });
  const [first, second] = [engine.submit(sound), engine.submit(toyRequest({ id: "ill" }))];
  assert.match(String(await rejection(second)), /NaN/);
  assert.deepEqual((await first.done).samples, await alone(sound));
  assert.deepEqual(engine.stats(), IDLE);
});

test("a step that takes too long makes the engine stalled until it returns", async () => {
  const { engine, runner, clock } = toyEngine({}, { stallMs: 100 });
  const states: string[] = [];
  runner.duringStep = () => {
    if (runner.steps.length !== 2) return;
    clock.advance(100);
    states.push(engine.stats().state);
    clock.advance(1);
    states.push(engine.stats().state);
  };
  await engine.submit(toyRequest(), { onToken: () => states.push(engine.stats().state) }).done;
  assert.deepEqual(states.slice(0, 4), ["ready", "ready", "stalled", "ready"]);
  clock.advance(1000);
  assert.equal(engine.stats().state, "ready", "idle is not stalled");
});

test("close ends what runs and waits with shutdown, after the step in flight", async () => {
  const { engine, runner, clock } = toyEngine({ maxRows: 1 });
  let release = () => {};
  runner.duringStep = () => {
    if (runner.steps.length !== 3) return;
    return new Promise((resolve) => {
      release = resolve;
      void engine.close();
    });
  };
  const running = engine.submit(toyRequest({ samples: 2, timeoutMs: 1000 }), new Ear());
  const waiting = engine.submit(toyRequest());
  const results = await Promise.all([running.done, waiting.done]);
  assert.deepEqual(
    results.map((result) => result.samples.map((sample) => [sample.finishReason, sample.tokenIds.length])),
    [
      [
        ["shutdown", 2],
        ["shutdown", 1],
      ],
      [["shutdown", 0]],
    ],
  );
  assert.equal(runner.closed, false);
  assert.throws(() => engine.submit(toyRequest()), { code: "MAGDI_SHUTTING_DOWN" });
  release();
  await engine.close();
  assert.ok(runner.closed);
  assert.equal(runner.steps.length, 3);
  assert.deepEqual(engine.stats(), { ...IDLE, state: "closed" });
  assert.equal(clock.pendingTimers, 0);
  await engine.close();
});

test("exceptions of listeners are reported and change nothing", async () => {
  const errors: unknown[] = [];
  const { engine } = toyEngine(
    {},
    {
      onListenerError: (error) => errors.push(error),
      onStep() {
        throw "step";
      },
    },
  );
  const fail = (what: string) => () => {
    throw what;
  };
  const request = toyRequest({ sampling: { maxTokens: 2 } });
  const listener = { onPrefillStart: fail("start"), onToken: fail("token"), onSampleEnd: fail("end") };
  const { samples } = await engine.submit(request, listener).done;
  assert.deepEqual(samples, await alone(request));
  assert.deepEqual(errors, ["start", "token", "step", "token", "end", "step"]);
});

test("each step is reported", async () => {
  const reports: StepReport[] = [];
  const { engine, runner, clock } = toyEngine(
    { prefillChunkTokens: 4 },
    { onStep: (report) => reports.push(report) },
  );
  runner.duringStep = () => clock.advance(250);
  const promptTokens = new Int32Array(6).fill(9);
  await engine.submit(toyRequest({ promptTokens, samples: 3, sampling: { maxTokens: 2 } })).done;
  assert.deepEqual(reports, [
    { phase: "prefill", rows: 1, tokens: 4, seconds: 0.25 },
    { phase: "prefill", rows: 1, tokens: 2, seconds: 0.25 },
    { phase: "decode", rows: 3, tokens: 3, seconds: 0.25 },
  ]);
});

test("the event loop turns while a model that answers at once generates, and rests when there is no work", async () => {
  const { engine, runner } = toyEngine({ contextLength: 64 });
  let turns = 0;
  let ended = false;
  const turn = () => {
    turns++;
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  await engine.submit(toyRequest({ sampling: { maxTokens: 60 } })).done;
  ended = true;
  assert.ok(turns >= 10, `${turns} turns`);
  const steps = runner.steps.length;
  const handles = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  for (let idle = 0; idle < 5; idle++) await nextTurn();
  assert.equal(runner.steps.length, steps);
  assert.equal(process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length, handles);
});

test("a thousand requests later nothing of them is left", async () => {
  const { engine, clock } = toyEngine({ maxRows: 4, endEvery: 12 }, { maxWaitingSamples: 4000 });
  const left = await submitMany(engine, 1000);
  assert.deepEqual(engine.stats(), IDLE);
  assert.equal(clock.pendingTimers, 0);
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  assert.ok(typeof collect === "function");
  for (let pass = 0; pass < 3; pass++) {
    await nextTurn();
    collect();
  }
  assert.equal(left.filter((reference) => reference.deref() !== undefined).length, 0);
  await engine.submit(toyRequest()).done;
});

/** Weak references to the requests, their listeners and their handles. */
async function submitMany(engine: Engine, count: number): Promise<WeakRef<object>[]> {
  const references: WeakRef<object>[] = [];
  const done: Promise<unknown>[] = [];
  for (let number = 0; number < count; number++) {
    const promptTokens = Int32Array.of(4 + (number % 30), 4 + (number % 7));
    const ear = new Ear();
    const timeoutMs = number % 2 === 0 ? 1000 : Number.POSITIVE_INFINITY;
    const request = toyRequest({
      promptTokens,
      samples: 1 + (number % 4),
      timeoutMs,
      sampling: { stop: ["ab"] },
    });
    const generation = engine.submit(request, ear);
    if (number % 10 === 3) generation.cancel("cancelled", 0);
    references.push(new WeakRef(generation), new WeakRef(ear), new WeakRef(request));
    done.push(generation.done);
  }
  await Promise.all(done);
  return references;
}
