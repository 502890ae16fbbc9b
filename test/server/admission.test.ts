// Loading, queueing, failing, draining: who may work when, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "../../src/engine/engine.ts";
import type { ServedStudent } from "../../src/server/served-student.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { bodyOf, CHAT, chat, INFERENCE } from "./support/openai-shapes.ts";
import { parseEvents, runApp, runTiny } from "./support/running-app.ts";
import { IM_END } from "./support/scripted-runner.ts";
import { tinyStudent } from "./support/tiny-student.ts";
import { until } from "./support/until.ts";

test("behaviour 25: while the model loads, only the probes and metrics answer", async (t) => {
  let loaded: (student: ServedStudent) => void = () => {};
  const server = await runApp(t, new Promise<ServedStudent>((resolve) => (loaded = resolve)));
  assert.equal((await server.get("/ready")).status, 503);
  assert.equal((await server.get("/health")).status, 200);
  assert.equal((await server.get("/metrics")).status, 200);
  assert.equal((await server.get("/v1/models")).status, 503);
  const early = await server.post(CHAT, chat("{{x}}"));
  assert.equal(early.status, 503);
  assert.equal(early.body.error.code, "model_loading");
  assert.ok(early.headers.get("retry-after"));
  loaded(tinyStudent());
  assert.equal((await server.get("/ready")).status, 200);
  assert.equal((await server.post(CHAT, chat("{{x}}"))).status, 200);
});

test("behaviour 26: a stalled engine is not ready and says that it may come back, until its step returns", async (t) => {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, { clock });
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const pending = server.post(CHAT, chat("{{x}}"));
  await held;
  clock.advance(31_000);
  assert.equal((await server.get("/ready")).status, 503);
  assert.equal((await server.get("/health")).status, 503);
  const refused = await server.post(CHAT, chat("{{x}}"));
  assert.equal(refused.status, 503);
  assert.equal(refused.body.error.code, "engine_stalled");
  assert.doesNotMatch(refused.body.error.message, /failed|restart/);
  assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  assert.equal(await server.metric('magdi_request_failures_total{reason="engine_stalled"}'), 1);
  release();
  assert.equal((await pending).status, 200);
  assert.equal((await server.get("/health")).status, 200);
});

test("behaviours 26 and 39: a failed step ends the streams with an error and [DONE], and the server is unhealthy", async (t) => {
  for (const path of INFERENCE) {
    const fresh = await runTiny(t);
    const body = bodyOf(path, "{{abc*}}");
    const release = fresh.student.runner.hold();
    const held = fresh.student.runner.stepHeld();
    const sent = fresh.server.send(path, { ...body, stream: true });
    await held;
    fresh.student.runner.failWith = new Error("out of numbers in /secret/path");
    release();
    const response = await sent;
    assert.equal(response.status, 200);
    const text = await response.text();
    const events = parseEvents(text);
    assert.equal(events.at(-1)?.data, "[DONE]");
    assert.equal(events.at(-2)?.data.error.code, "engine_failed");
    assert.doesNotMatch(text, /secret/);
    assert.equal((await fresh.server.get("/health")).status, 503);
    assert.equal((await fresh.server.get("/ready")).status, 503);
    assert.equal((await fresh.server.post(CHAT, chat("{{x}}"))).status, 503);
    assert.equal(await fresh.server.metric('magdi_request_failures_total{reason="engine_failed"}'), 2);
  }
});

test("behaviours 27 and 28: a full queue is 429 with Retry-After, counted in samples, before tokenising", async (t) => {
  const tiny = tinyStudent({ maxWaitingSamples: 4 });
  let encoded = 0;
  const { tokenizer } = tiny;
  const counting: ServedStudent = {
    ...tiny,
    tokenizer: {
      ...tokenizer,
      encode(text, options) {
        encoded++;
        return tokenizer.encode(text, options);
      },
    },
  };
  const server = await runApp(t, counting);
  const release = tiny.runner.hold();
  const held = tiny.runner.stepHeld();
  const running = server.post(CHAT, chat("{{x}}"));
  await held;
  const waiting = server.post(CHAT, chat("{{x}}", { n: 3 }));
  await until(() => tiny.engine.stats().samplesWaiting === 3);
  const before = encoded;
  const cases: [string, object][] = [
    [CHAT, chat("{{x}}", { n: 2 })],
    [CHAT, chat("{{x}}", { n: 2, stream: true })],
    ["/v1/reason", { question: "{{x}}", samples: 2 }],
    ["/v1/completions", { prompt: ["a", "b"] }],
  ];
  for (const [path, body] of cases) {
    const answer = await server.post(path, body);
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers.get("retry-after")) >= 1);
    assert.equal(answer.body.error.code, "queue_full");
  }
  assert.equal(encoded, before);
  const fits = server.post(CHAT, chat("{{x}}"));
  await until(() => tiny.engine.stats().samplesWaiting === 4);
  release();
  for (const answer of await Promise.all([running, waiting, fits])) assert.equal(answer.status, 200);
  assert.equal(await server.metric('magdi_request_failures_total{reason="queue_full"}'), 4);
});

for (const path of INFERENCE) {
  test(`behaviour 29: a request that waited too long is 503, or an error event and [DONE] (${path})`, async (t) => {
    const clock = new ManualClock();
    const { server, student } = await runTiny(t, { clock, config: { queueTimeoutMs: 5000 } });
    const release = student.runner.hold();
    const held = student.runner.stepHeld();
    const running = server.post(CHAT, chat("{{x}}"));
    await held;
    const whole = server.post(path, bodyOf(path, "{{x}}"));
    const streamed = server.stream(path, bodyOf(path, "{{x}}"));
    await until(() => student.engine.stats().requestsWaiting === 2);
    clock.advance(5001);
    const late = await whole;
    assert.equal(late.status, 503);
    assert.equal(late.body.error.code, "queue_timeout");
    assert.ok(Number(late.headers.get("retry-after")) >= 1);
    const events = await streamed;
    assert.equal(events.at(-1)?.data, "[DONE]");
    assert.equal(events.at(-2)?.data.error.code, "queue_timeout");
    assert.equal(student.engine.stats().requestsWaiting, 0);
    release();
    assert.equal((await running).status, 200);
    assert.equal(student.runner.prefillSteps, 1);
  });

  test(`behaviours 39 and 40: of requests in one batch, only the one that fails is told so (${path})`, async (t) => {
    const { server, student } = await runTiny(t);
    const release = student.runner.hold();
    const held = student.runner.stepHeld();
    const first = server.post(CHAT, chat("{{first}}"));
    await held;
    const bad = server.post(path, bodyOf(path, "{{ab[!]}}"));
    const badStream = server.stream(path, bodyOf(path, "{{ab[!]}}"));
    const good = server.post(CHAT, chat("{{good[xyz]}}", { seed: 3, n: 2 }));
    await until(() => student.engine.stats().requestsWaiting === 3);
    release();
    const refused = await bad;
    assert.equal(refused.status, 500);
    assert.equal(refused.body.error.code, "internal_error");
    const events = await badStream;
    assert.equal(events.at(-1)?.data, "[DONE]");
    assert.equal(events.at(-2)?.data.error.code, "internal_error");
    assert.equal((await first).body.choices[0].message.content, "first");
    const alone = await server.post(CHAT, chat("{{good[xyz]}}", { seed: 3, n: 2 }));
    assert.deepEqual((await good).body.choices, alone.body.choices);
    assert.equal((await server.get("/health")).status, 200);
    assert.equal(await server.metric('magdi_request_failures_total{reason="internal"}'), 2);
    assert.equal(await server.metric("magdi_samples_running"), 0);
  });
}

test("behaviour 40: of requests that come together, the bad ones are refused alone", async (t) => {
  const { server } = await runTiny(t);
  const answers = await Promise.all([
    server.post(CHAT, chat("{{good}}")),
    server.post(CHAT, chat("x".repeat(2000))),
    server.post(CHAT, chat("{{good}}", { temperature: 9 })),
    server.post("/v1/reason", { question: "{{The answer is 3.}}", task: "math" }),
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 400, 400, 200],
  );
});

test("behaviour 40: tokens that cannot be made into text fail their own request, and the server goes on", async (t) => {
  const tiny = tinyStudent();
  const tokenizer: Tokenizer = {
    ...tiny.tokenizer,
    tokenBytes(id) {
      if (id === "!".charCodeAt(0)) throw new RangeError("no such token");
      return tiny.tokenizer.tokenBytes(id);
    },
  };
  const engine = new Engine({ runner: tiny.runner, tokenizer, eosTokenIds: new Set([IM_END]) });
  const server = await runApp(t, { ...tiny, engine });
  const failed = await server.post(CHAT, chat("{{ab!}}"));
  assert.equal(failed.status, 500);
  assert.equal(failed.body.error.code, "internal_error");
  assert.equal((await server.get("/ready")).status, 200);
  assert.equal((await server.post(CHAT, chat("{{ab}}"))).status, 200);
  assert.equal(await server.metric('magdi_request_failures_total{reason="internal"}'), 1);
});

test("behaviour 41: a drain takes no new work, lets running work finish, and ends what is left at the deadline", async (t) => {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, { clock });
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const endless = server.post(CHAT, chat("{{x*}}"));
  await held;
  const streamed = server.send(CHAT, chat("{{x*}}", { stream: true, max_tokens: 300 }));
  const voted = server.post("/v1/reason", { question: "{{x*}}", samples: 2 });
  await until(() => student.engine.stats().requestsWaiting === 2);
  const drained = server.app.drain(10_000);
  const ready = await server.get("/ready");
  assert.equal(ready.status, 503);
  assert.equal(ready.headers.get("connection"), "close");
  assert.equal((await server.get("/health")).status, 200);
  const refused = await server.post(CHAT, chat("{{x}}"));
  assert.equal(refused.status, 503);
  assert.equal(refused.body.error.code, "shutting_down");
  clock.advance(10_000);
  release();
  assert.equal((await endless).body.choices[0].finish_reason, "abort");
  const events = parseEvents(await (await streamed).text());
  assert.equal(events.at(-1)?.data, "[DONE]");
  assert.equal(events.at(-2)?.data.choices[0].finish_reason, "abort");
  const { body } = await voted;
  assert.equal(body.stop_reason, "abort");
  assert.equal(body.answer, null);
  await drained;
  assert.equal(server.app.lifecycle.active, 0);
});

test("a drain without running work is done at once, and closing ends what runs", async (t) => {
  const { server, student } = await runTiny(t);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const pending = server.post(CHAT, chat("{{x*}}"));
  await held;
  const closed = server.app.close();
  release();
  assert.equal((await pending).body.choices[0].finish_reason, "abort");
  await closed;
  assert.ok(student.runner.closed);
  await server.app.drain(1000);
});

test("a request over its own deadline ends with finish_reason abort", async (t) => {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, { clock, config: { requestTimeoutMs: 1000 } });
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const pending = server.post(CHAT, chat("{{x*}}"));
  await held;
  clock.advance(1000);
  release();
  const { status, body } = await pending;
  assert.equal(status, 200);
  assert.equal(body.choices[0].finish_reason, "abort");
});
