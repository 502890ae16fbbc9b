// The process' life under load: drains in the middle of many streams, second signals, stalls, a collector that hears
// the last spans.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { type Json, parseEvents } from "../server/support/running-app.ts";
import { startCollector } from "../server/support/trace-collector.ts";
import { post, ServeProcess, TINY } from "./serve-process.ts";

const STREAMS = 20;
const chat = (content: string, fields: object = {}) => ({
  messages: [{ role: "user", content }],
  stream: true,
  ...fields,
});

/** Opens streams, half of questions and half of chats, and waits until each has begun. */
async function openStreams(url: string): Promise<Response[]> {
  const streams: Promise<Response>[] = [];
  for (let i = 0; i < STREAMS; i++) {
    // Some end by themselves while the server drains, some would go on for ever.
    const endless = i % 4 < 2;
    const script = endless ? "{{x*}}" : "{{The answer is 4.}}";
    const answer =
      i % 2 === 0
        ? post(url, "/v1/reason", { question: `How many? ${script}`, stream: true, max_tokens: 60_000 })
        : post(url, "/v1/chat/completions", chat(script, { max_tokens: 60_000 }));
    streams.push(answer);
  }
  return Promise.all(streams);
}

async function untilRefused(url: string): Promise<Response> {
  for (;;) {
    const answer = await post(url, "/v1/reason", { question: "{{x}}" });
    if (answer.status === 503) return answer;
    await answer.text();
  }
}

test("behaviour 41: SIGTERM in the middle of 20 streams: each ends properly, new work is refused, exit 0", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--drain-timeout-ms", "3000"]);
  const url = await server.ready();
  const streams = await openStreams(url);
  server.child.kill("SIGTERM");
  const texts = Promise.all(streams.map((stream) => stream.text()));
  const refused = await untilRefused(url);
  assert.equal(((await refused.json()) as Json).error.code, "shutting_down");
  assert.equal((await fetch(`${url}/ready`)).status, 503);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  for (const [index, text] of (await texts).entries()) {
    const events = parseEvents(text);
    assert.equal(events.at(-1)?.data, "[DONE]", `stream ${index}`);
    const last = events.at(-2)?.data;
    const expected = index % 4 < 2 ? "abort" : index % 2 === 0 ? "complete" : "stop";
    assert.equal(
      index % 2 === 0 ? last.stop_reason : last.choices[0].finish_reason,
      expected,
      `stream ${index}`,
    );
  }
  // A process that overran its deadline would have ended itself with another code.
  assert.equal(await server.exited, 0);
});

test("behaviour 41: a second SIGTERM in the middle of 20 streams ends the process at once, with 143", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--drain-timeout-ms", "600000"]);
  const url = await server.ready();
  const streams = await openStreams(url);
  server.child.kill("SIGTERM");
  const ends = Promise.allSettled(streams.map((stream) => stream.text()));
  await untilRefused(url);
  // npm's echo of a signal comes within 50 ms: what an operator sends comes later.
  while (!server.stdout.includes("SIGTERM")) await new Promise(setImmediate);
  const saidMs = performance.now();
  while (performance.now() - saidMs < 60) await new Promise(setImmediate);
  server.child.kill("SIGTERM");
  assert.equal(await server.exited, 143);
  assert.ok(
    (await ends).some(({ status }) => status === "rejected"),
    "endless streams are cut",
  );
});

test("behaviour 41: connections that idle, were kept alive, or have sent half a request do not hold up the end", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--drain-timeout-ms", "600000"]);
  const { hostname, port } = new URL(await server.ready());
  const open = async (text: string) => {
    const socket = connect(Number(port), hostname);
    t.after(() => socket.destroy());
    socket.on("error", () => {});
    const closed = once(socket, "close");
    await once(socket, "connect");
    if (text !== "") socket.write(text);
    return { socket, closed };
  };
  const silent = await open("");
  const keptAlive = await open("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n");
  await once(keptAlive.socket, "data");
  const half = await open("POST /v1/reason HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{");
  server.child.kill("SIGTERM");
  assert.equal(await server.exited, 0);
  for (const { socket, closed } of [silent, keptAlive, half]) {
    socket.resume();
    await closed;
  }
});

test("behaviour 25: probes answer from the start, and readiness comes with the student", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0"]);
  const url = await server.ready();
  assert.deepEqual(await (await fetch(`${url}/ready`)).json(), { status: "ready" });
  const text = await (await fetch(`${url}/metrics`)).text();
  assert.match(text, /^magdi_engine_state\{state="ready"\} 1$/m);
  assert.match(text, /^magdi_build_info\{version="[\d.]+[^"]*",node="v\d+/m);
});

test("the last spans reach the collector before the process ends", async (t) => {
  const collector = await startCollector(t);
  const server = new ServeProcess(t, [...TINY, "--port", "0"], { MAGDI_OTLP_ENDPOINT: collector.url });
  const url = await server.ready();
  const body: Json = await (await post(url, "/v1/reason", { question: "{{The answer is 4.}}" })).json();
  server.child.kill("SIGTERM");
  assert.equal(await server.exited, 0);
  const ids = collector.spans.map(({ attributes }) => attributes["gen_ai.response.id"]);
  assert.ok(ids.includes(body.id));
});

test("a collector that is down changes nothing but a line in the log", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0"], {
    MAGDI_OTLP_ENDPOINT: "http://127.0.0.1:9",
    MAGDI_LOG_LEVEL: "warn",
  });
  const url = await server.ready();
  for (let i = 0; i < 5; i++) {
    assert.equal((await post(url, "/v1/reason", { question: "{{The answer is 4.}}" })).status, 200);
  }
  server.child.kill("SIGTERM");
  assert.equal(await server.exited, 0);
  const lines = server.stderr
    .trim()
    .split("\n")
    .filter((line) => line !== "");
  assert.ok(lines.length <= 1, server.stderr);
});
