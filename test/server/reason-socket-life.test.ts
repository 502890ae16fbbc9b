// How sockets end: clients that go away, do not read, or are silent; a server that drains; upgrades that are none.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { WebSocket } from "ws";
import { ManualClock } from "../support/manual-clock.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { type RunningApp, runTiny } from "./support/running-app.ts";
import { connectSocket, SOCKET_PATH } from "./support/socket-client.ts";
import { until } from "./support/until.ts";

const GAUGES = ["requests_running", "requests_waiting", "samples_running", "kv_cache_usage_ratio"];

async function assertIdle(server: RunningApp): Promise<void> {
  for (const gauge of GAUGES) assert.equal(await server.metric(`magdi_${gauge}`), 0, gauge);
  assert.equal(server.app.lifecycle.active, 0);
  assert.equal((await server.post("/v1/reason", { question: "Two? {{The answer is 2.}}" })).body.answer, "2");
}

/** The ways in which a client goes away. */
const LEAVE = {
  close: (ws: WebSocket) => ws.close(),
  cut: (ws: WebSocket) => ws.terminate(),
} as const;

for (const [how, leave] of Object.entries(LEAVE)) {
  test(`behaviour 30: a socket's client gone while queued (${how}) is removed before prefill`, async (t) => {
    const { server, student } = await runTiny(t);
    const release = student.runner.hold();
    const held = student.runner.stepHeld();
    const stays = await connectSocket(t, server);
    stays.ask("stays", "Two? {{The answer is 2.}}");
    await held;
    const goes = await connectSocket(t, server);
    for (const id of ["a", "b"]) goes.ask(id, "{{x*}}", { samples: 2 });
    await until(() => student.engine.stats().requestsWaiting === 2);
    leave(goes.ws);
    await until(() => student.engine.stats().requestsWaiting === 0);
    release();
    const { answer, usage } = await stays.last("stays");
    assert.equal(answer, "2");
    assert.equal(await server.metric("magdi_prompt_tokens_total"), usage.prompt_tokens);
    await assertIdle(server);
  });

  test(`behaviour 31: a socket's client gone in prefill (${how}) stops it at the next chunk`, async (t) => {
    const { server, student } = await runTiny(t);
    const release = student.runner.hold();
    const held = student.runner.stepHeld();
    const client = await connectSocket(t, server);
    client.ask("q", "x".repeat(300));
    await held;
    leave(client.ws);
    await until(() => student.engine.stats().requestsRunning === 0);
    release();
    await until(() => student.runner.prefillSteps > 0 && server.app.lifecycle.active === 0);
    await server.get("/health");
    assert.equal(student.runner.prefillSteps, 1);
    await assertIdle(server);
  });

  test(`behaviour 32: a socket's client gone in decode (${how}) frees all its rows within one step`, async (t) => {
    const { server, student } = await runTiny(t);
    const stays = await connectSocket(t, server);
    const goes = await connectSocket(t, server);
    for (const id of ["a", "b"]) goes.ask(id, "{{x*}}", { samples: 3 });
    stays.ask("stays", "{{x*}}", { samples: 2 });
    await until(() => student.engine.stats().samplesRunning === 8);
    const release = student.runner.hold();
    await student.runner.stepHeld();
    const stepsBefore = student.runner.decodeSteps;
    leave(goes.ws);
    await until(() => student.engine.stats().samplesRunning === 2);
    assert.ok(student.runner.decodeSteps <= stepsBefore + 1);
    assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 2);
    assert.ok((await server.metric('magdi_generation_tokens_discarded_total{reason="disconnect"}')) > 0);
    release();
    const before = stays.frames.length;
    await stays.frame(() => stays.frames.length > before);
    stays.send({ type: "cancel", id: "stays" });
    assert.equal((await stays.last("stays")).error.code, "cancelled");
    await assertIdle(server);
  });
}

test("a client that closes its half, and keeps the connection, is gone", async (t) => {
  const { server, student } = await runTiny(t);
  const client = await connectSocket(t, server);
  client.ask("q", "{{x*}}", { samples: 2 });
  await client.frame(({ type }) => type === "token");
  const release = student.runner.hold();
  await student.runner.stepHeld();
  // ws keeps the TCP connection under this name.
  const { _socket: socket } = client.ws as unknown as { _socket: Socket };
  socket.end();
  await until(() => student.engine.stats().samplesRunning === 0);
  release();
  await until(() => server.app.lifecycle.active === 0);
  await assertIdle(server);
});

test("a reader that does not read is closed with 1013, and its questions leave the batch", async (t) => {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, { clock, config: { streamBufferBytes: 1024 } });
  const slow = await connectSocket(t, server);
  const other = await connectSocket(t, server);
  slow.ask("q", "{{x*}}", { samples: 2 });
  await slow.frame(({ type }) => type === "token");
  const release = student.runner.hold();
  await student.runner.stepHeld();
  slow.ws.pause();
  // Questions that are wrong in every field, and answers to them that nobody reads.
  const long = "y".repeat(60);
  const fields = { question: [long], passage: [long], samples: long, temperature: long, top_p: long };
  const wrong = JSON.stringify({ type: "reason", id: "wrong", ...fields });
  let sent = 0;
  while (student.engine.stats().samplesRunning > 0) {
    for (let i = 0; i < 100; i++, sent++) slow.ws.send(wrong);
    await until(() => slow.ws.bufferedAmount === 0 || student.engine.stats().samplesRunning === 0);
  }
  // What the two kernels' buffers hold is theirs; far from having no bound.
  assert.ok(sent < 50_000, `${sent} answers were written`);
  release();
  await until(() => server.app.lifecycle.active === 0);
  assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 1);
  other.ask("q", "Two? {{The answer is 2.}}");
  assert.equal((await other.last("q")).answer, "2");
  slow.ws.resume();
  assert.equal((await slow.closed).code, 1013);
  await assertIdle(server);
});

test("a peer from which nothing comes between two pings is cut off, and one that answers is not", async (t) => {
  const clock = new ManualClock();
  const { server } = await runTiny(t, { clock, config: { webSocketPingMs: 1000 } });
  const dead = await connectSocket(t, server);
  const alive = await connectSocket(t, server);
  const pinged = () => once(alive.ws, "ping");
  dead.ws.pause();
  for (let i = 0; i < 3; i++) {
    const ping = pinged();
    clock.advance(1000);
    await ping;
    await alive.settled();
  }
  dead.ws.resume();
  assert.equal((await dead.closed).code, 1006);
  await alive.settled();
});

test("behaviour 41: a drain waits for the questions of sockets, refuses new ones, and then closes with 1001", async (t) => {
  const { server, student } = await runTiny(t);
  const busy = await connectSocket(t, server);
  const idle = await connectSocket(t, server);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  busy.ask("running", "Two? {{The answer is 2.}}");
  await held;
  let drained = false;
  const drain = server.app.drain(60_000).then(() => {
    drained = true;
  });
  for (const client of [busy, idle]) {
    client.ask("late", "q");
    const { error } = await client.last("late");
    assert.equal(error.code, "shutting_down");
    assert.equal(error.type, "server_error");
  }
  const refused = new WebSocket(`ws://127.0.0.1:${server.port}${SOCKET_PATH}`);
  refused.on("error", () => {});
  const [, response] = await once(refused, "unexpected-response");
  assert.equal(response.statusCode, 503);
  refused.terminate();
  assert.equal(drained, false);
  release();
  assert.equal((await busy.last("running")).answer, "2");
  await drain;
  await server.app.close();
  for (const client of [busy, idle]) assert.equal((await client.closed).code, 1001);
});

test("behaviour 41: at the deadline a socket's questions end with what they have", async (t) => {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, { clock });
  const client = await connectSocket(t, server);
  client.ask("q", "{{x*}}", { samples: 2, return_samples: true });
  await client.frame(({ type }) => type === "token");
  const drain = server.app.drain(5000);
  const release = student.runner.hold();
  await student.runner.stepHeld();
  clock.advance(5000);
  await drain;
  release();
  const result = await client.last("q");
  assert.equal(result.stop_reason, "abort");
  for (const { finish_reason } of result.samples) assert.equal(finish_reason, "abort");
  await server.app.close();
  assert.equal((await client.closed).code, 1001);
});

test("a server that closes waits no longer than it must for a peer that does not answer", async (t) => {
  const clock = new ManualClock();
  const { server } = await runTiny(t, { clock, config: { webSocketPingMs: 0 } });
  const client = await connectSocket(t, server);
  client.ws.pause();
  const timers = clock.pendingTimers;
  const closed = server.app.close();
  await until(() => clock.pendingTimers > timers);
  clock.advance(2000);
  await closed;
  client.ws.resume();
  await client.closed;
});

test("what is no upgrade to a WebSocket is an HTTP request like any other", async (t) => {
  const { server } = await runTiny(t);
  const plain = await server.get(SOCKET_PATH);
  assert.equal(plain.status, 426);
  assert.equal(plain.headers.get("upgrade"), "websocket");
  assert.equal(plain.body.error.type, "invalid_request_error");
  assert.ok(plain.headers.get("x-request-id"));
  assert.equal((await server.post(SOCKET_PATH, {})).status, 405);
  const handshake =
    "connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
  const body = JSON.stringify({ question: "Two? {{The answer is 2.}}" });
  const cases: [request: string, answer: RegExp][] = [
    [`GET ${SOCKET_PATH} HTTP/1.1\r\nupgrade: h2c\r\n${handshake}`, /^HTTP\/1.1 426 /],
    [`GET ${SOCKET_PATH} HTTP/1.1\r\nupgrade: websocket\r\n`, /^HTTP\/1.1 426 /],
    [`GET /health HTTP/1.1\r\nupgrade: websocket\r\n${handshake}`, /^HTTP\/1.1 200 /],
    [`GET /nowhere HTTP/1.1\r\nupgrade: websocket\r\n${handshake}`, /^HTTP\/1.1 404 /],
    [
      `POST /v1/reason HTTP/1.1\r\nupgrade: h2c\r\nhttp2-settings: AAAA\r\n${handshake}` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n`,
      /^HTTP\/1.1 200 [\s\S]*"answer":"2"/,
    ],
    [`GET ${SOCKET_PATH} HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n`, /^HTTP\/1.1 400 /],
    [
      `GET ${SOCKET_PATH} HTTP/1.1\r\nupgrade: websocket\r\n${handshake.replace("13", "9")}`,
      /^HTTP\/1.1 400 [\s\S]*sec-websocket-version: 13\r\n/,
    ],
    [
      `GET ${SOCKET_PATH} HTTP/1.1\r\nupgrade: websocket\r\n${handshake.replace("A==", "==")}`,
      /^HTTP\/1.1 400 /,
    ],
    [
      `GET ${SOCKET_PATH} HTTP/1.1\r\nupgrade: websocket\r\n${handshake}sec-websocket-protocol: a,,b\r\n`,
      /^HTTP\/1.1 400 [\s\S]*"param":"sec-websocket-protocol"/,
    ],
    [`GET ${SOCKET_PATH} HTTP/1.1\r\nupgrade: websocket\r\n${handshake}`, /^HTTP\/1.1 101 /],
  ];
  for (const [request, answer] of cases) {
    const connection = new RawConnection(t, server.port);
    connection.send(`${request}host: x\r\n\r\n${request.startsWith("POST") ? body : ""}`);
    await connection.until(answer);
    assert.match(connection.received, /\r\nx-request-id: /, request);
    if (/^HTTP\/1.1 4/.test(connection.received)) await connection.until(/"error":/);
    connection.destroy();
  }
  // Half of an upgrade, and nothing more.
  const half = new RawConnection(t, server.port);
  half.send(`GET ${SOCKET_PATH} HTTP/1.1\r\nupgrade: webso`);
  await assertIdle(server);
  half.destroy();
});

test("an upgrade is answered with its request id, and the subprotocol only where it was offered", async (t) => {
  const { server } = await runTiny(t);
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}${SOCKET_PATH}?x=1`, ["other", "magdi"], {
    headers: { "x-request-id": "mine-1" },
  });
  t.after(() => ws.terminate());
  const [response] = await once(ws, "upgrade");
  assert.equal(response.headers["x-request-id"], "mine-1");
  assert.equal(response.headers["sec-websocket-protocol"], "magdi");
  assert.equal(response.headers["sec-websocket-extensions"], undefined);
});
