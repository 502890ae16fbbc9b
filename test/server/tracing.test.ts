// Traces: the place that a caller gives, in the log; and spans, to a real collector on a socket.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import * as conventions from "@opentelemetry/semantic-conventions/incubating";
import { systemClock } from "../../src/base/clock.ts";
import { parseTraceparent } from "../../src/server/observation/request-trace.ts";
import { LossReportingExporter } from "../../src/server/observation/span-exporter.ts";
import { GEN_AI, openTracing } from "../../src/server/observation/tracing.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type Json, runTiny } from "./support/running-app.ts";
import { type Collector, startCollector } from "./support/trace-collector.ts";
import { until } from "./support/until.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const traceparent = `00-${TRACE}-${PARENT}-01`;
const CHAT = "/v1/chat/completions";
const SERVER_KIND = 2;
const ERROR_STATUS = 2;
const chat = (content: string, fields: object = {}) => ({ messages: [{ role: "user", content }], ...fields });
const json = { "content-type": "application/json" };

async function traced(t: TestContext) {
  const collector = await startCollector(t);
  const problems: string[] = [];
  const tracing = openTracing({
    endpoint: collector.url,
    clock: systemClock,
    onExportProblem: (message) => problems.push(message),
  });
  const lines: Json[] = [];
  const { server, student } = await runTiny(t, { tracing, onLogLine: (line) => lines.push(line) });
  return { server, student, collector, problems, lines };
}

function spanOf({ spans }: Collector, route: string) {
  const found = spans.filter((span) => span.attributes["http.route"] === route);
  assert.equal(found.length, 1, `spans of ${route}`);
  return found[0]!;
}

test("traceparent: what is well-formed is taken, and nothing else", () => {
  assert.deepEqual(parseTraceparent(traceparent), { traceId: TRACE, spanId: PARENT, sampled: true });
  assert.equal(parseTraceparent(`00-${TRACE}-${PARENT}-00`)?.sampled, false);
  assert.equal(parseTraceparent(`cc-${TRACE}-${PARENT}-01-what-comes-later`)?.traceId, TRACE);
  for (const malformed of [
    undefined,
    "",
    "x",
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}`,
    `00-${TRACE}-${PARENT}-01-more`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${"0".repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE}-${PARENT}-1`,
    ` 00-${TRACE}-${PARENT}-01`,
    [traceparent],
    `cc-${TRACE}-${PARENT}-01-${"x".repeat(1000)}`,
  ]) {
    assert.equal(parseTraceparent(malformed), null, String(malformed));
  }
});

test("the caller's trace is in the log lines of its request, collected or not", async (t) => {
  const lines: Json[] = [];
  const { server } = await runTiny(t, { onLogLine: (line) => lines.push(line) });
  await server.post(CHAT, chat("{{x}}"), { headers: { ...json, traceparent } });
  await server.post(CHAT, chat("{{x}}"), { headers: { ...json, traceparent: "00-nonsense" } });
  const places = lines
    .filter((line) => line.msg === "request")
    .map(({ trace_id, span_id }) => ({ trace_id, span_id }));
  assert.deepEqual(places, [
    { trace_id: TRACE, span_id: PARENT },
    { trace_id: undefined, span_id: undefined },
  ]);
});

test("the names of attributes are those of OpenTelemetry's conventions", () => {
  const known = new Set<unknown>(Object.values(conventions));
  for (const name of Object.values(GEN_AI)) assert.ok(known.has(name), name);
});

test("a chat completion is a span with the gen_ai attributes, under its caller's", async (t) => {
  const { server, collector, lines, problems } = await traced(t);
  const { body } = await server.post(
    CHAT,
    chat("{{abcdef}}", {
      n: 2,
      temperature: 0.5,
      top_p: 0.75,
      top_k: 7,
      max_tokens: 4,
      seed: 11,
      stop: ["zz"],
    }),
    { headers: { ...json, traceparent } },
  );
  await server.app.close();
  const span = spanOf(collector, CHAT);
  assert.deepEqual(collector.paths, ["/v1/traces"]);
  assert.equal(span.name, `POST ${CHAT}`);
  assert.equal(span.kind, SERVER_KIND);
  assert.deepEqual([span.traceId, span.parentSpanId], [TRACE, PARENT]);
  assert.equal(span.resource["service.name"], "magdi");
  const first = span.attributes["gen_ai.response.time_to_first_chunk"];
  assert.ok(first >= 0 && first < 60, String(first));
  assert.deepEqual(
    { ...span.attributes, "gen_ai.response.time_to_first_chunk": null },
    {
      "http.request.method": "POST",
      "http.route": CHAT,
      "http.response.status_code": 200,
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "magdi",
      "gen_ai.request.model": "tiny",
      "gen_ai.request.choice.count": 2,
      "gen_ai.request.temperature": 0.5,
      "gen_ai.request.top_p": 0.75,
      "gen_ai.request.top_k": 7,
      "gen_ai.request.max_tokens": 4,
      "gen_ai.request.seed": 11,
      "gen_ai.request.stream": false,
      "gen_ai.request.stop_sequences": ["zz"],
      "gen_ai.response.id": body.id,
      "gen_ai.response.model": "tiny",
      "gen_ai.response.finish_reasons": ["length", "length"],
      "gen_ai.response.time_to_first_chunk": null,
      "gen_ai.usage.input_tokens": body.usage.prompt_tokens,
      "gen_ai.usage.cache_read.input_tokens": 0,
      "gen_ai.usage.output_tokens": 8,
      "magdi.caller": "anybody",
      "magdi.samples": 2,
    },
  );
  assert.deepEqual(span.status.code ?? 0, 0);
  const phases = collector.spans.filter(({ parentSpanId }) => parentSpanId === span.spanId);
  assert.deepEqual(phases.map(({ name }) => name).sort(), ["decode", "prefill", "queue"]);
  const [queue, prefill, decode] = ["queue", "prefill", "decode"].map(
    (name) => phases.find((phase) => phase.name === name)!,
  );
  // Epoch times are made of two clocks, at whole milliseconds.
  const slackNs = 5_000_000n;
  for (const [before, after] of [
    [queue!, prefill!],
    [prefill!, decode!],
  ] as const) {
    assert.ok(before.endNs - slackNs <= after.startNs && after.startNs - slackNs <= before.endNs);
  }
  assert.ok(span.startNs - slackNs <= queue!.startNs && decode!.endNs <= span.endNs + slackNs);
  const line = lines.find(({ msg }) => msg === "request");
  assert.deepEqual(
    [line.trace_id, line.span_id],
    [TRACE, span.spanId],
    "log lines name the server's own span",
  );
  assert.deepEqual(problems, []);
});

test("a streamed question says its task and its vote; without a caller's trace it begins one", async (t) => {
  const { server, collector } = await traced(t);
  const question = "How many are 2 + 2? {{The answer is 4.}}";
  const events = await server.stream("/v1/reason", { question, samples: 3, seed: 5 });
  const result = events.find(({ event }) => event === "result")?.data;
  await server.app.close();
  const { attributes, parentSpanId } = spanOf(collector, "/v1/reason");
  assert.equal(parentSpanId, null);
  assert.equal(attributes["gen_ai.response.id"], result.id);
  assert.equal(attributes["gen_ai.request.stream"], true);
  assert.equal(attributes["gen_ai.usage.output_tokens"], result.usage.completion_tokens);
  assert.deepEqual(
    [attributes["magdi.task"], attributes["magdi.votes.share"], attributes["magdi.decided_at"]],
    ["math", result.votes[0].share, result.decided_at],
  );
  assert.equal(attributes["magdi.stop_reason"], result.stop_reason);
});

test("each question on a socket is a span of its own, under the trace of the handshake", async (t) => {
  const { server, collector } = await traced(t);
  const { WebSocket } = await import("ws");
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/reason/ws`, {
    headers: { traceparent },
  });
  const frames: Json[] = [];
  socket.on("message", (data) => frames.push(JSON.parse(data.toString())));
  await new Promise((resolve) => socket.once("open", resolve));
  for (const id of ["a", "b"]) {
    socket.send(JSON.stringify({ type: "reason", id, question: "{{The answer is 4.}}" }));
  }
  socket.send(JSON.stringify({ type: "reason", id: "c", question: "" }));
  await until(
    () =>
      frames.filter(({ type }) => type === "result").length === 2 &&
      frames.some(({ type }) => type === "error"),
  );
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await server.app.close();
  await closed;
  const spans = collector.spans.filter((span) => span.attributes["http.route"] === "/v1/reason/ws");
  assert.equal(spans.length, 3);
  for (const span of spans) assert.deepEqual([span.traceId, span.parentSpanId], [TRACE, PARENT]);
  assert.deepEqual(
    spans
      .map(({ attributes }) => attributes["error.type"] ?? attributes["gen_ai.response.finish_reasons"])
      .sort(),
    ["invalid", ["stop"], ["stop"]].sort(),
  );
});

test("of a prompt that was not read to its end, only what was reused counts as such", async (t) => {
  const { server, student, collector } = await traced(t);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const gone = new AbortController();
  const question = "y".repeat(200);
  const lost = server.send("/v1/reason", { question }, { signal: gone.signal });
  lost.catch(() => {});
  await held;
  gone.abort();
  await until(() => server.app.lifecycle.active === 0);
  release();
  await server.app.close();
  const { attributes } = spanOf(collector, "/v1/reason");
  assert.ok(attributes["gen_ai.usage.input_tokens"] > 200);
  assert.equal(attributes["gen_ai.usage.cache_read.input_tokens"], 0);
});

test("what fails is marked: the client's faults by their reason, the server's as errors too", async (t) => {
  const { server, student, collector } = await traced(t);
  await server.post(CHAT, chat("{{x}}", { temperature: 9 }));
  const gone = new AbortController();
  const lost = server.send("/v1/reason", { question: "{{x*}}", stream: true }, { signal: gone.signal });
  await lost;
  gone.abort();
  await until(() => student.engine.stats().requestsRunning === 0 && server.app.lifecycle.active === 0);
  student.runner.failWith = new Error("secret");
  const failed = await server.post("/v1/completions", { prompt: "{{abc}}" });
  assert.equal(failed.status, 503);
  await server.app.close();
  const invalid = spanOf(collector, CHAT);
  assert.deepEqual([invalid.attributes["error.type"], invalid.status.code ?? 0], ["invalid", 0]);
  assert.equal(invalid.attributes["http.response.status_code"], 400);
  const left = spanOf(collector, "/v1/reason");
  assert.deepEqual([left.attributes["error.type"], left.status.code ?? 0], ["disconnect", 0]);
  assert.deepEqual(left.attributes["gen_ai.response.finish_reasons"], ["abort"]);
  const broken = spanOf(collector, "/v1/completions");
  assert.deepEqual([broken.attributes["error.type"], broken.status.code], ["engine_failed", ERROR_STATUS]);
  assert.doesNotMatch(JSON.stringify(broken.attributes) + broken.status.message, /secret/);
});

test("a trace that its caller does not sample is not collected, but logged", async (t) => {
  const { server, collector, lines } = await traced(t);
  await server.post(CHAT, chat("{{x}}"), {
    headers: { ...json, traceparent: traceparent.replace(/01$/, "00") },
  });
  await server.app.close();
  assert.equal(collector.spans.length, 0);
  assert.equal(lines.find(({ msg }) => msg === "request").trace_id, TRACE);
});

test("without a collector that listens, requests are served and the end is not held up", async (t) => {
  const problems: string[] = [];
  const tracing = openTracing({
    endpoint: "http://127.0.0.1:9", // discard: nobody listens there
    clock: systemClock,
    onExportProblem: (message) => problems.push(message),
  });
  const { server } = await runTiny(t, { tracing });
  for (let i = 0; i < 3; i++) assert.equal((await server.post(CHAT, chat("{{x}}"))).status, 200);
  await server.app.close();
  assert.ok(problems.length <= 1, problems.join("; "));
});

test("lost spans are told once in a while, and so is the collector's return", () => {
  const clock = new ManualClock();
  const told: string[] = [];
  let code = 1;
  const inner = {
    export: (_spans: readonly number[], done: (result: { code: number }) => void) => done({ code }),
    shutdown: async () => {},
  };
  const exporter = new LossReportingExporter(inner, clock, (message) => told.push(message));
  const send = (count: number) =>
    exporter.export(new Array(count).fill(0), (result) => assert.equal(result.code, 0));
  send(2);
  send(3);
  assert.equal(told.length, 1);
  clock.advance(300_000);
  send(1);
  assert.match(told[1] ?? "", /lost so far: 6/);
  code = 0;
  send(1);
  send(1);
  assert.match(told[2] ?? "", /accepts spans again \(lost: 6\)/);
  assert.equal(told.length, 3);
});

test("where the time of a whole answer went is in its Server-Timing header", async (t) => {
  const { server } = await runTiny(t);
  for (const [path, body] of [
    [CHAT, chat("{{abc}}")],
    ["/v1/completions", { prompt: ["{{a}}", "{{b}}"] }],
    ["/v1/reason", { question: "{{The answer is 4.}}" }],
  ] as const) {
    const { headers } = await server.post(path, body);
    assert.match(
      headers.get("server-timing") ?? "",
      /^queue;dur=\d+\.\d, prefill;dur=\d+\.\d, decode;dur=\d+\.\d, total;dur=\d+\.\d$/,
      path,
    );
  }
});
