// Clients that go away or do not read: their work is dropped, over real sockets. Where the clock stands no keep-alive
// is ever due: nothing that is written tells that the client is gone.
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { test } from "node:test";
import Fastify from "fastify";
import { EventStream } from "../../src/server/transport/event-stream.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { bodyOf, CHAT, chat, INFERENCE, REASON, TEXT } from "./support/openai-shapes.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { type Json, runTiny } from "./support/running-app.ts";
import { connectSocket } from "./support/socket-client.ts";
import { until } from "./support/until.ts";

const KINDS = INFERENCE.flatMap((path) => [
  { path, stream: false, kind: `${path}, whole` },
  { path, stream: true, kind: `${path}, streamed` },
]);

for (const { path, stream, kind } of KINDS) {
  const ask = (prompt: string, fields: object = {}) => bodyOf(path, prompt, { stream, ...fields });
  const samples = path === REASON ? "samples" : "n";

  test(`behaviour 30: a client gone while queued is removed before prefill (${kind})`, async (t) => {
    const { server, student } = await runTiny(t, { clock: new ManualClock() });
    const release = student.runner.hold();
    const held = student.runner.stepHeld();
    const running = server.post(CHAT, chat("{{abc}}"));
    await held;
    const client = new AbortController();
    const queued = server.send(path, ask("{{x*}}"), { signal: client.signal });
    queued.catch(() => {});
    await until(() => student.engine.stats().requestsWaiting === 1);
    client.abort();
    await until(() => student.engine.stats().requestsWaiting === 0);
    release();
    assert.equal((await running).status, 200);
    assert.equal(student.runner.prefillSteps, 1);
  });

  test(`behaviour 31: a client gone in prefill stops it at the next chunk (${kind})`, async (t) => {
    const { server, student } = await runTiny(t, { clock: new ManualClock() });
    const release = student.runner.hold();
    const held = student.runner.stepHeld();
    const client = new AbortController();
    const pending = server.send(path, ask("x".repeat(300)), { signal: client.signal });
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
    const pending = server.send(path, ask("{{x*}}", { [samples]: 3, max_tokens: 250 }), {
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
    await until(() => server.app.lifecycle.active === 0);
    assert.equal((await server.get("/health")).status, 200);
    assert.ok(student.runner.decodeSteps <= stepsBefore + 1);
    for (const gauge of ["requests_running", "requests_waiting", "samples_running", "kv_cache_usage_ratio"]) {
      assert.equal(await server.metric(`magdi_${gauge}`), 0, gauge);
    }
    assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 1);
    assert.equal(await server.metric('magdi_samples_total{outcome="aborted"}'), 3);
    assert.equal(await server.metric('magdi_answers_total{task="free"}'), 0);
    const lost = await server.metric('magdi_generation_tokens_discarded_total{reason="disconnect"}');
    assert.ok(lost > 0);
    assert.equal(await server.metric("magdi_generation_tokens_total"), lost);
  });
}

test("behaviour 32: a client that leaves a batch of prompts takes all of them along", async (t) => {
  const { server, student } = await runTiny(t);
  const client = new AbortController();
  const body = { prompt: ["{{x*}}", "{{y*}}", "{{z*}}"], n: 4, max_tokens: 300 };
  const pending = server.send(TEXT, body, { signal: client.signal });
  pending.catch(() => {});
  // Eight rows: the third prompt waits for the first ones to end.
  await until(() => student.runner.decodeSteps > 2);
  client.abort();
  await until(() => server.app.lifecycle.active === 0);
  const { requestsWaiting, requestsRunning, samplesRunning } = student.engine.stats();
  assert.deepEqual([requestsWaiting, requestsRunning, samplesRunning], [0, 0, 0]);
  assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 1);
  assert.equal(await server.metric('magdi_samples_total{outcome="aborted"}'), 12);
});

test("a client that leaves with several requests on one connection takes all of them along", async (t) => {
  const lines: Json[] = [];
  const { server, student } = await runTiny(t, {
    clock: new ManualClock(),
    onLogLine: (line) => lines.push(line),
  });
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const post = (body: object) => {
    const json = JSON.stringify(body);
    const head = `content-type: application/json\r\ncontent-length: ${json.length}`;
    return `POST ${REASON} HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\n${json}`;
  };
  const connection = new RawConnection(t, server.port);
  connection.send(
    post({ question: "{{x*}}" }) +
      post({ question: "{{y*}}", samples: 2 }) +
      post({ question: "{{z*}}", stream: true }),
  );
  await held;
  await until(() => student.engine.stats().requestsWaiting === 2);
  assert.equal(server.app.lifecycle.active, 3);
  connection.destroy();
  await until(() => server.app.lifecycle.active === 0);
  release();
  assert.equal((await server.post(CHAT, chat("{{y}}"))).status, 200);
  assert.equal(
    student.runner.prefillSteps,
    2,
    "one chunk of the first, one of the next: what waited never began",
  );
  assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 3);
  const answers = lines.filter(({ msg, route }) => msg === "request" && route === REASON);
  assert.deepEqual(
    answers.map(({ finished }) => finished),
    [false, false, false],
  );
});

test("a reader that does not read is cut off at the limit", async (t) => {
  const app = Fastify();
  let written = 0;
  let gone = 0;
  app.get("/", async (_request, reply) => {
    const stream = new EventStream(reply, { maxBufferedBytes: 1_000_000, onClosed: () => gone++ });
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

test("a reader that keeps up gets frames that are longer than what may lie unread", async (t) => {
  const { server } = await runTiny(t, { contextLength: 2048, config: { streamBufferBytes: 1024 } });
  const body = { question: `{{${"[ab]".repeat(100)}}}`, samples: 8, return_samples: true, early_stop: "off" };
  const events = await server.stream(REASON, body);
  assert.equal(events.at(-1)?.data, "[DONE]");
  assert.ok(JSON.stringify(events.at(-2)?.data).length > 1024);
  const client = await connectSocket(t, server);
  client.ask("q", body.question, { samples: 8, return_samples: true, early_stop: "off" });
  const { samples } = await client.last("q");
  assert.equal(samples.length, 8);
});
