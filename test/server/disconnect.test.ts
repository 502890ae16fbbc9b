// Clients that go away or do not read: their work is dropped, over real sockets.
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { test } from "node:test";
import Fastify from "fastify";
import { EventStream } from "../../src/server/transport/event-stream.ts";
import { runTiny } from "./support/running-app.ts";
import { until } from "./support/until.ts";

const CHAT = "/v1/chat/completions";
const chat = (content: string, fields: object = {}) => ({ messages: [{ role: "user", content }], ...fields });

for (const stream of [false, true]) {
  const kind = stream ? "streamed" : "whole";

  test(`behaviour 30: a client gone while queued is removed before prefill (${kind})`, async (t) => {
    const { server, student } = await runTiny(t);
    const release = student.runner.hold();
    const held = student.runner.stepHeld();
    const running = server.post(CHAT, chat("{{abc}}"));
    await held;
    const client = new AbortController();
    const queued = server.send(CHAT, chat("{{x*}}", { stream }), { signal: client.signal });
    queued.catch(() => {});
    await until(() => student.engine.stats().requestsWaiting === 1);
    client.abort();
    await until(() => student.engine.stats().requestsWaiting === 0);
    release();
    assert.equal((await running).status, 200);
    assert.equal(student.runner.prefillSteps, 1);
  });

  test(`behaviour 31: a client gone in prefill stops it at the next chunk (${kind})`, async (t) => {
    const { server, student } = await runTiny(t);
    const release = student.runner.hold();
    const held = student.runner.stepHeld();
    const client = new AbortController();
    const pending = server.send(CHAT, chat("x".repeat(300), { stream }), { signal: client.signal });
    pending.catch(() => {});
    await held;
    client.abort();
    await until(() => student.engine.stats().requestsRunning === 0);
    release();
    assert.equal((await server.post(CHAT, chat("{{y}}"))).status, 200);
    assert.equal(student.runner.prefillSteps, 2, "one chunk of the lost request, one of the next");
  });

  test(`behaviour 32: a client gone in decode frees all its rows within one step (${kind})`, async (t) => {
    const { server, student } = await runTiny(t);
    const client = new AbortController();
    const pending = server.send(CHAT, chat("{{x*}}", { n: 3, stream, max_tokens: 400 }), {
      signal: client.signal,
    });
    pending.catch(() => {});
    await until(() => student.runner.decodeSteps > 2);
    const release = student.runner.hold();
    await student.runner.stepHeld();
    assert.equal(await server.metric("magdi_samples_running"), 3);
    const stepsBefore = student.runner.decodeSteps;
    client.abort();
    await until(() => student.engine.stats().samplesRunning === 0);
    release();
    await until(() => server.app.admission.active === 0);
    assert.equal((await server.get("/health")).status, 200);
    assert.ok(student.runner.decodeSteps <= stepsBefore + 1);
    for (const gauge of ["requests_running", "requests_waiting", "samples_running", "kv_cache_usage_ratio"]) {
      assert.equal(await server.metric(`magdi_${gauge}`), 0, gauge);
    }
    assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 1);
    assert.equal(await server.metric('magdi_samples_total{outcome="aborted"}'), 3);
    const lost = await server.metric('magdi_generation_tokens_discarded_total{reason="disconnect"}');
    assert.ok(lost > 0);
    assert.equal(await server.metric("magdi_generation_tokens_total"), lost);
  });
}

test("a question's client that goes away takes its samples along", async (t) => {
  const { server, student } = await runTiny(t);
  const client = new AbortController();
  const body = { question: "{{x*}}", samples: 4, stream: true };
  const response = await server.send("/v1/reason", body, { signal: client.signal });
  assert.equal(response.status, 200);
  await until(() => student.runner.decodeSteps > 2);
  client.abort();
  await until(() => student.engine.stats().samplesRunning === 0 && server.app.admission.active === 0);
  assert.equal(await server.metric('magdi_answers_total{task="free"}'), 0);
});

test("a reader that does not read is cut off at the limit", async (t) => {
  const app = Fastify();
  let written = 0;
  let gone = 0;
  app.get("/", async (_request, reply) => {
    const stream = new EventStream(reply, { maxBufferedBytes: 1_000_000, onGone: () => gone++ });
    for (let i = 0; i < 256 && gone === 0; i++) {
      stream.send({ text: "x".repeat(250_000) });
      written += 250_000;
      await new Promise(setImmediate);
    }
    stream.done();
    return reply;
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  t.after(() => app.close());
  const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await until(() => gone > 0);
  assert.equal(gone, 1);
  // What the two kernels' socket buffers hold is theirs; far from the 64 MB that wanted to leave.
  assert.ok(written < 32_000_000, `${written} bytes were written`);
});
