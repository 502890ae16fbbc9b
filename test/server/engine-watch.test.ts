// A stalled or failed engine is noticed and said at once, and its return as well; the clock is the test's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../support/manual-clock.ts";
import { type Json, runTiny } from "./support/running-app.ts";
import { until } from "./support/until.ts";

const CHAT = "/v1/chat/completions";
const ABC = { messages: [{ role: "user", content: "{{abc}}" }] };
const ERROR = 50;
const FATAL = 60;

test("behaviour 26: a stall is said once with nobody asking, and so is its end", async (t) => {
  const clock = new ManualClock();
  const lines: Json[] = [];
  const said = () => lines.filter((line) => line.engine !== undefined);
  const { server, student } = await runTiny(t, { clock, onLogLine: (line) => lines.push(line) });
  assert.equal(await server.metric('magdi_engine_state{state="ready"}'), 1);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const pending = server.post(CHAT, ABC);
  await held;
  clock.advance(30_000);
  assert.deepEqual(said(), [], "a step may take the whole stall timeout");
  clock.advance(500);
  clock.advance(500);
  clock.advance(500);
  assert.deepEqual(
    said().map(({ level, engine, before }) => ({ level, engine, before })),
    [{ level: ERROR, engine: "stalled", before: "ready" }],
  );
  for (const path of ["/ready", "/health"]) {
    const { status, body } = await server.get(path);
    assert.deepEqual([status, body.status], [503, "engine_stalled"], path);
  }
  assert.equal((await server.post(CHAT, ABC)).status, 503);
  assert.equal(await server.metric('magdi_engine_state{state="stalled"}'), 1);
  assert.equal(await server.metric('magdi_engine_state{state="ready"}'), 0);
  assert.equal(await server.metric("magdi_engine_stalls_total"), 1);

  release();
  assert.equal((await pending).status, 200, "the request that waited for the step is answered");
  clock.advance(500);
  const [, back] = said();
  assert.equal(back.engine, "ready");
  assert.match(back.msg, /recovered.* stalled for 1\.5 s/);
  assert.equal(said().length, 2);
  assert.equal((await server.get("/ready")).status, 200);
  assert.equal((await server.post(CHAT, ABC)).status, 200);
  assert.equal(await server.metric('magdi_engine_state{state="ready"}'), 1);
});

test("behaviour 26: a failed engine is said once, for good", async (t) => {
  const clock = new ManualClock();
  const lines: Json[] = [];
  const { server, student } = await runTiny(t, { clock, onLogLine: (line) => lines.push(line) });
  student.runner.failWith = new Error("out of memory");
  assert.equal((await server.post(CHAT, ABC)).status, 503);
  for (let i = 0; i < 4; i++) clock.advance(500);
  const said = lines.filter((line) => line.engine !== undefined);
  assert.deepEqual(
    said.map(({ level, engine }) => ({ level, engine })),
    [{ level: FATAL, engine: "failed" }],
  );
  assert.match(said[0].msg, /restart/);
  const cause = lines.find((line) => line.err !== undefined);
  assert.match(cause.err.message, /out of memory/, "the log has the cause");
  assert.equal((await server.get("/health")).body.status, "engine_failed");
  assert.equal(await server.metric('magdi_engine_state{state="failed"}'), 1);
  assert.equal(await server.metric("magdi_engine_stalls_total"), 0);
});

test("behaviour 25: the engine's state is loading until there is one", async (t) => {
  const { Metrics } = await import("../../src/server/observation/metrics.ts");
  const metrics = new Metrics({ processMetrics: false });
  const text = await metrics.registry.metrics();
  assert.match(text, /magdi_engine_state\{state="loading"\} 1/);
  assert.match(text, /magdi_engine_state\{state="ready"\} 0/);
  t.diagnostic("the route of /metrics answers while loading: see behaviour 25 of admission");
});

test("a stream that waits in the queue is kept alive by comments, and a status is not given away by one", async (t) => {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, { clock, config: { queueTimeoutMs: 50_000 } });
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const running = server.post(CHAT, ABC);
  await held;
  // A text completion says nothing before its first token: here the comment opens the stream.
  const waiting = server.send("/v1/completions", { prompt: "{{ab}}", stream: true });
  await until(() => student.engine.stats().requestsWaiting === 1);
  clock.advance(14_999);
  clock.advance(1);
  clock.advance(10_000);
  clock.advance(5000);
  const refused = await server.post("/v1/completions", { prompt: "", stream: true });
  assert.equal(refused.status, 400);
  release();
  assert.equal((await running).status, 200);
  const response = await waiting;
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const blocks = (await response.text()).split("\n\n");
  assert.deepEqual(blocks.slice(0, 2), [": keep-alive", ": keep-alive"]);
  assert.ok(blocks.slice(2).every((block) => block === "" || block.startsWith("data: ")));
  assert.equal(blocks.at(-2), "data: [DONE]");
  const pending = clock.pendingTimers;
  clock.advance(60_000);
  assert.equal(clock.pendingTimers, pending, "an ended stream leaves no timer");
});
