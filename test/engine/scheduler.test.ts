// Which steps are run, in which order, for whom.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { MagdiError } from "../../src/base/errors.ts";
import type { CancelReason } from "../../src/base/finish-reason.ts";
import type { Generation } from "../../src/engine/request.ts";
import { alone, Ear, rejection, toyEngine, toyRequest } from "../support/toy-engine.ts";

const prompt = (length: number, first = 5): Int32Array =>
  Int32Array.from({ length }, (_, position) => 4 + ((first + position) % 30));

test("a long prompt's chunks alternate with the decode steps of those that run", async () => {
  const { engine, runner } = toyEngine({ maxRows: 4, prefillChunkTokens: 4 });
  const running = engine.submit(toyRequest({ promptTokens: prompt(2), sampling: { maxTokens: 12 } }));
  const long = engine.submit(toyRequest({ promptTokens: prompt(18), sampling: { maxTokens: 3 } }));
  await Promise.all([running.done, long.done]);
  assert.deepEqual(
    runner.steps.slice(0, 12).map((step) => `${step.phase[0]}${step.rows}:${step.tokens.length}`),
    ["p1:2", "d1:1", "p1:4", "d1:1", "p1:4", "d1:1", "p1:4", "d1:1", "p1:4", "d1:1", "p1:2", "d2:2"],
  );
});

test("no token of a longer prompt is prefilled alone", async () => {
  for (const [length, chunks] of [
    [1, [1]],
    [4, [4]],
    [5, [2, 3]],
    [6, [4, 2]],
    [9, [4, 2, 3]],
  ] as const) {
    const { engine, runner } = toyEngine({ prefillChunkTokens: 4 });
    await engine.submit(toyRequest({ promptTokens: prompt(length), sampling: { maxTokens: 1 } })).done;
    assert.deepEqual(
      runner.steps.map((step) => step.tokens.length),
      chunks,
    );
  }
});

test("requests are prefilled in the order they came, each as soon as the prompt row is free", async () => {
  const { engine, runner } = toyEngine({ maxRows: 8, prefillChunkTokens: 4 });
  const lengths = [3, 1, 9, 2, 4];
  const order: number[] = [];
  const all = lengths.map((length, number) =>
    engine.submit(toyRequest({ promptTokens: prompt(length, number * 5), sampling: { maxTokens: 30 } }), {
      onPrefillStart: () => order.push(number),
    }),
  );
  await Promise.all(all.map((generation) => generation.done));
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
  const firstTokens = runner.steps.filter((step) => step.phase === "prefill" && step.pastLengths[0] === 0);
  assert.deepEqual(
    firstTokens.map((step) => step.tokens[0]),
    lengths.map((_, number) => 4 + number * 5 + 5 - 5),
  );
  const prefills = runner.steps.flatMap((step, at) => (step.phase === "prefill" ? [at] : []));
  assert.ok(Math.max(...prefills) <= 2 * prefills.length, "a prefill step at least every other step");
});

test("samples beyond the free rows keep the prompt row until rows are free, before the next request", async () => {
  const { engine, runner } = toyEngine({ maxRows: 2 });
  const ear = new Ear();
  const many = engine.submit(toyRequest({ samples: 5, sampling: { maxTokens: 4 } }), ear);
  const events: string[] = [];
  const after = engine.submit(toyRequest({ promptTokens: prompt(2, 9), sampling: { maxTokens: 2 } }), {
    onPrefillStart: () => events.push(`after ${ear.ended.length} ends`),
  });
  const { samples } = await many.done;
  await after.done;
  assert.deepEqual(events, ["after 4 ends"], "the fifth sample has its row by then");
  assert.equal(
    runner.steps.filter((step) => step.phase === "prefill").length,
    2,
    "one prefill for five samples",
  );
  assert.deepEqual(samples, await alone(toyRequest({ samples: 5, sampling: { maxTokens: 4 } })));
  assert.deepEqual(
    ear.events.slice(0, 5).map((event) => event.sample),
    [0, 1, 2, 3, 4],
    "all first tokens come from the prefill",
  );
});

test("a sample that ends with its first token needs no row", async () => {
  const { engine, runner } = toyEngine({ maxRows: 1 });
  const { samples } = await engine.submit(toyRequest({ samples: 6, sampling: { maxTokens: 1 } })).done;
  assert.deepEqual(
    samples.map((sample) => [sample.tokenIds.length, sample.finishReason]),
    new Array(6).fill([1, "length"]),
  );
  assert.equal(runner.steps.length, 1);
});

test("a finished sample leaves before the next step, and the last row fills its hole", async () => {
  const { engine, runner } = toyEngine({ maxRows: 3 });
  const lengths = [2, 6, 4];
  const all = lengths.map((maxTokens, number) =>
    engine.submit(toyRequest({ promptTokens: prompt(number + 1, number), sampling: { maxTokens } })),
  );
  const results = await Promise.all(all.map((generation) => generation.done));
  assert.deepEqual(
    results.map((result) => result.samples[0]!.tokenIds.length),
    lengths,
  );
  const wasted = runner.steps
    .filter((step) => step.phase === "decode")
    .reduce((sum, step) => sum + step.rows, 0);
  assert.equal(wasted, 1 + 5 + 3, "one decode row for each token after the first");
});

test("a queued request that is cancelled is never prefilled", async () => {
  const { engine, runner } = toyEngine({ maxRows: 1 });
  const running = engine.submit(toyRequest({ sampling: { maxTokens: 9 } }));
  const ear = new Ear();
  const queued = engine.submit(toyRequest({ promptTokens: prompt(4, 20), samples: 3 }), ear);
  assert.equal(engine.stats().samplesWaiting, 4);
  queued.cancel("disconnect", 1);
  assert.equal(engine.stats().samplesWaiting, 3);
  queued.cancel("disconnect");
  assert.equal(engine.stats().requestsWaiting, 1);
  const { samples, promptTokensComputed, timing } = await queued.done;
  assert.deepEqual(
    samples.map((sample) => [sample.finishReason, sample.tokenIds.length, sample.text]),
    new Array(3).fill(["disconnect", 0, ""]),
  );
  assert.deepEqual([promptTokensComputed, timing.prefillStartMs, ear.prefillStarts], [0, null, 0]);
  await running.done;
  assert.equal(runner.steps.filter((step) => step.phase === "prefill").length, 1);
});

test("a request cancelled during its prefill stops at the next chunk's border", async () => {
  const { engine, runner } = toyEngine({ prefillChunkTokens: 4 });
  const long = engine.submit(toyRequest({ promptTokens: prompt(40) }));
  const after = engine.submit(toyRequest({ promptTokens: prompt(3), sampling: { maxTokens: 2 } }));
  runner.duringStep = () => {
    if (runner.steps.length === 3) long.cancel("cancelled");
  };
  const result = await long.done;
  assert.equal(result.promptTokensComputed, 12);
  assert.deepEqual(result.samples[0]!.tokenIds, []);
  const { samples } = await after.done;
  assert.deepEqual(samples, await alone(toyRequest({ promptTokens: prompt(3), sampling: { maxTokens: 2 } })));
  assert.deepEqual(
    runner.steps.slice(2, 4).map((step) => step.pastLengths[0]),
    [8, 0],
  );
});

test("samples cancelled while decoding are gone before the next step, and the others are untouched", async () => {
  const { engine, runner } = toyEngine({ maxRows: 4 });
  const request = toyRequest({ samples: 4, sampling: { maxTokens: 12 } });
  const generation = engine.submit(request, new Ear());
  runner.duringStep = (step) => {
    if (runner.steps.length === 4) generation.cancel("decided", 1);
    if (runner.steps.length === 5) assert.equal(step.rows, 3);
    if (runner.steps.length === 6) {
      generation.cancel("decided", 0);
      generation.cancel("decided", 3);
      generation.cancel("decided", 17);
      assert.equal(engine.stats().samplesRunning, 1);
    }
    if (runner.steps.length === 7) assert.equal(step.rows, 1);
  };
  const { samples } = await generation.done;
  const expected = await alone(request);
  assert.deepEqual(
    samples.map((sample) => [sample.finishReason, sample.tokenIds.length]),
    [
      ["decided", 5],
      ["decided", 3],
      ["length", 12],
      ["decided", 5],
    ],
  );
  for (const sample of samples) {
    const whole = expected[sample.index]!;
    assert.deepEqual(sample.tokenIds, whole.tokenIds.slice(0, sample.tokenIds.length));
  }
  assert.equal(runner.steps.length, 12, "the prefill and eleven decode steps, until the last sample ends");
});

test("listeners may cancel and submit from within, at any call", async () => {
  const { engine } = toyEngine({ maxRows: 4 });
  const reasons = new Map<number, CancelReason | string>();
  const inner: Promise<unknown>[] = [];
  const generation = engine.submit(toyRequest({ samples: 4, sampling: { maxTokens: 6 } }), {
    onToken(event) {
      if (event.sample === 2) generation.cancel("cancelled", 2);
      if (event.sample === 3 && inner.length === 0) inner.push(engine.submit(toyRequest()).done);
    },
    onSampleEnd(result) {
      reasons.set(result.index, result.finishReason);
      if (result.finishReason === "length") generation.cancel("decided");
    },
  });
  const { samples } = await generation.done;
  await Promise.all(inner);
  assert.deepEqual(
    [...reasons].sort(([a], [b]) => a - b),
    [
      [0, "length"],
      [1, "decided"],
      [2, "cancelled"],
      [3, "decided"],
    ],
  );
  assert.deepEqual(
    samples.map((sample) => sample.tokenIds.length),
    [6, 5, 1, 5],
  );
  const hasty = engine.submit(toyRequest(), { onPrefillStart: () => hasty.cancel("cancelled") });
  assert.deepEqual((await hasty.done).samples[0]!.tokenIds, []);
  const atTheEnd = engine.submit(toyRequest({ sampling: { maxTokens: 1 } }), {
    onToken: () => atTheEnd.cancel("cancelled"),
  });
  assert.equal((await atTheEnd.done).samples[0]!.finishReason, "length", "it had ended with that token");
});

test("a request that waits too long fails on time, even while one step takes long", async () => {
  const { engine, runner, clock } = toyEngine({ maxRows: 1 });
  runner.duringStep = () => {
    if (runner.steps.length === 2) clock.advance(49);
    if (runner.steps.length === 3) {
      clock.advance(1);
      assert.equal(engine.stats().requestsWaiting, 0);
    }
  };
  const running = engine.submit(toyRequest({ samples: 2, sampling: { maxTokens: 6 } }));
  const queued = engine.submit(toyRequest({ id: "q", queueTimeoutMs: 50 }));
  const error = await rejection(queued);
  assert.deepEqual(error, Object.assign(Object(error), { code: "MAGDI_QUEUE_TIMEOUT" }));
  assert.match(String(error), /request q waited longer than 50 ms/);
  assert.equal((await running.done).samples.length, 2);
  assert.equal(clock.pendingTimers, 0);
});

test("a late timer saves nobody: waiting is judged when the request's turn comes", async () => {
  const { engine, runner, clock } = toyEngine({ maxRows: 1 });
  runner.duringStep = () => clock.advance(30, { late: true });
  const running = engine.submit(toyRequest({ samples: 2, sampling: { maxTokens: 3 } }));
  const late = engine.submit(toyRequest({ queueTimeoutMs: 50 }));
  const dead = engine.submit(toyRequest({ timeoutMs: 50 }));
  const patient = engine.submit(toyRequest({ queueTimeoutMs: 5000, sampling: { maxTokens: 1 } }));
  assert.match(String(await rejection(late)), /MagdiError/);
  assert.equal((await dead.done).samples[0]!.finishReason, "deadline");
  assert.equal((await patient.done).samples[0]!.finishReason, "length");
  await running.done;
  assert.equal(clock.pendingTimers, 0);
});

test("a queue timeout of 0 lets an idle engine begin, and nothing else", async () => {
  const { engine, runner, clock } = toyEngine({ maxRows: 1 });
  runner.duringStep = () => clock.advance(1);
  const first = engine.submit(toyRequest({ queueTimeoutMs: 0 }));
  const second = engine.submit(toyRequest({ queueTimeoutMs: 0 }));
  assert.match(String(await rejection(second)), /waited longer/);
  assert.equal((await first.done).samples[0]!.tokenIds.length, 8);
});

test("who is next and may not stand in line begins after the step that runs", async () => {
  const { engine, runner, clock } = toyEngine({ maxRows: 2 });
  const hasty = { queueTimeoutMs: 0, sampling: { maxTokens: 4 } };
  const idle = engine.submit(toyRequest(hasty));
  clock.advance(0.25);
  assert.equal((await idle.done).samples[0]!.tokenIds.length, 4);

  const meanwhile: Generation[] = [];
  runner.duringStep = (step) => {
    if (meanwhile.length === 0 && step.phase === "decode") {
      meanwhile.push(engine.submit(toyRequest(hasty)), engine.submit(toyRequest({ ...hasty, id: "second" })));
    }
    clock.advance(5);
  };
  await engine.submit(toyRequest()).done;
  const [first, second] = meanwhile;
  assert.equal((await first!.done).samples[0]!.tokenIds.length, 4);
  assert.match(String(await rejection(second!)), /request second waited longer than 0 ms/);
  assert.equal(clock.pendingTimers, 0);
});

test("who is next waits no longer than it may for a step that takes long", async () => {
  const { engine, runner, clock } = toyEngine({ maxRows: 2 }, { stallMs: 100 });
  let next: Generation | undefined;
  runner.duringStep = (step) => {
    if (step.phase === "decode") next ??= engine.submit(toyRequest({ queueTimeoutMs: 0 }));
    clock.advance(101);
  };
  await engine.submit(toyRequest({ sampling: { maxTokens: 2 } })).done;
  assert.match(String(await rejection(next!)), /waited longer/);
  next = undefined;
  runner.duringStep = (step) => {
    if (step.phase === "decode") next ??= engine.submit(toyRequest({ queueTimeoutMs: 20 }));
    clock.advance(21);
  };
  await engine.submit(toyRequest({ sampling: { maxTokens: 2 } })).done;
  assert.match(String(await rejection(next!)), /waited longer than 20 ms/);
  assert.equal(clock.pendingTimers, 0);
});

const PROMPT_TOKENS = 1500;
/** Twenty prompts in a line that is let stand for a second, 10 ms a step. Equal prompts are computed once. */
async function twentyPrompts(seedOf: (at: number) => number, callerOf: (at: number) => string) {
  const { engine, runner, clock } = toyEngine(
    { maxRows: 2, contextLength: 2048, prefillChunkTokens: 128 },
    { prefixCacheTokens: 1600 },
  );
  runner.duringStep = () => clock.advance(10);
  const startMs = clock.nowMs();
  const endings = Array.from({ length: 20 }, async (_, at) => {
    const promptTokens = Int32Array.from(
      { length: PROMPT_TOKENS },
      (_, place) => 4 + ((seedOf(at) + place) % 30),
    );
    const fields = { promptTokens, queueTimeoutMs: 1000, caller: { name: callerOf(at), weight: 1 } };
    const generation = engine.submit(toyRequest({ ...fields, sampling: { maxTokens: 1 } }));
    const error = await generation.done.then(
      () => null,
      (failure: MagdiError) => failure,
    );
    return { at, error, afterMs: clock.nowMs() - startMs };
  });
  return Promise.all(endings);
}

test("who would wait in vain is told so as soon as it is known, and when to come again", async () => {
  const endings = await twentyPrompts(
    (at) => at,
    () => "one",
  );
  const refused = endings.filter(({ error }) => error !== null);
  // A prompt takes 12 steps.
  assert.ok(refused.length >= 10 && refused.length <= 12, `${refused.length}`);
  for (const { at, error, afterMs } of refused) {
    assert.ok(afterMs <= 120, `request ${at} was told after ${afterMs} ms`);
    assert.equal(error?.code, "MAGDI_QUEUE_TIMEOUT");
    assert.match(String(error), /would wait at least \d+ ms .* limit of 1000 ms; try again in [12] s/);
    assert.equal(error?.details.queue_timeout_ms, 1000);
    assert.ok(Number(error?.details.retry_after_seconds) >= 1);
  }
  // The first in line are served.
  assert.deepEqual(
    refused.map(({ at }) => at),
    Array.from({ length: refused.length }, (_, at) => 20 - refused.length + at),
  );
});

test("prompts that others in line leave computed are not counted again", async () => {
  const endings = await twentyPrompts(
    () => 1,
    () => "one",
  );
  assert.ok(endings.every(({ error }) => error === null));
});

test("what others have in line is not counted against a caller that is served before them", async () => {
  const endings = await twentyPrompts(
    (at) => at,
    (at) => (at === 19 ? "few" : "many"),
  );
  assert.equal(endings[19]?.error, null);
});

test("a deadline ends all samples of a request, wherever it is, and keeps what they have", async () => {
  for (const late of [false, true]) {
    const { engine, runner, clock } = toyEngine({ maxRows: 2, prefillChunkTokens: 4 });
    runner.duringStep = () => clock.advance(10, { late });
    const decoding = toyRequest({ samples: 3, timeoutMs: 55, sampling: { maxTokens: 40 } });
    const prefilling = toyRequest({ promptTokens: prompt(60), timeoutMs: 95 });
    const [first, second] = [engine.submit(decoding), engine.submit(prefilling)];
    const firstResult = await first.done;
    const whole = await alone(decoding);
    for (const sample of firstResult.samples) {
      assert.equal(sample.finishReason, "deadline");
      assert.deepEqual(sample.tokenIds, whole[sample.index]!.tokenIds.slice(0, sample.tokenIds.length));
    }
    assert.deepEqual(
      firstResult.samples.map((sample) => sample.tokenIds.length),
      late ? [6, 6, 1] : [5, 5, 1],
    );
    const secondResult = await second.done;
    assert.equal(secondResult.samples[0]!.finishReason, "deadline");
    assert.deepEqual([secondResult.promptTokensComputed, secondResult.timing.firstTokenMs], [16, null]);
  }
});

test("stages are stamped on the engine's clock", async () => {
  const { engine, runner, clock } = toyEngine({ prefillChunkTokens: 4 });
  clock.advance(100);
  runner.duringStep = () => clock.advance(10);
  const result = await engine.submit(toyRequest({ promptTokens: prompt(6), sampling: { maxTokens: 3 } }))
    .done;
  assert.deepEqual(result.timing, {
    submittedMs: 100,
    prefillStartMs: 100,
    prefillEndMs: 120,
    firstTokenMs: 120,
    endMs: 140,
  });
  assert.deepEqual([result.promptTokens, result.promptTokensComputed], [6, 6]);
});

test("whole logits are fetched only in the steps where somebody needs them", async () => {
  const { engine, runner } = toyEngine({ candidateCount: 12 });
  const plain = engine.submit(toyRequest({ sampling: { temperature: 1, topK: 11, maxTokens: 12 } }));
  await plain.done;
  assert.ok(runner.steps.every((step) => !step.wantLogits));
  runner.steps.length = 0;
  // While two end-of-sequence tokens are masked, eleven of twelve candidates are not enough.
  await engine.submit(toyRequest({ sampling: { temperature: 1, topK: 11, minTokens: 3, maxTokens: 6 } }))
    .done;
  assert.deepEqual(
    runner.steps.map((step) => step.wantLogits),
    [true, true, true, false, false, false],
  );
  runner.steps.length = 0;
  const biased = { logitBias: new Map([[5, 1]]), maxTokens: 2 };
  await engine.submit(toyRequest({ promptTokens: prompt(10), sampling: biased })).done;
  assert.deepEqual(
    runner.steps.map((step) => step.wantLogits),
    [false, true, true],
    "not for a prompt's earlier chunks",
  );
});
