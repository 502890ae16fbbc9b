// Many connections at once, over real sockets: the probes are always answered, and others as long as there is room.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import type { ServerConfig } from "../../src/server/config.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { type Json, type RunningApp, runTiny } from "./support/running-app.ts";
import { connectSocket, SOCKET_PATH } from "./support/socket-client.ts";
import { until } from "./support/until.ts";

const GET = (path: string, headers = "") => `GET ${path} HTTP/1.1\r\nhost: x\r\n${headers}\r\n`;
const ENDLESS = JSON.stringify({ question: "{{x*}}", max_tokens: 400 });
const ASK =
  "POST /v1/reason HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" +
  `content-length: ${ENDLESS.length}\r\n\r\n${ENDLESS}`;
const statuses = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

async function start(t: TestContext, config: Partial<ServerConfig>) {
  const clock = new ManualClock();
  const lines: Json[] = [];
  const { server, student } = await runTiny(t, {
    clock,
    contextLength: 65_536,
    config,
    onLogLine: (line) => lines.push(line),
  });
  const count = async (limit: string) => {
    const text = await server.app.inject({ url: "/metrics" });
    return Number(
      new RegExp(`^magdi_limits_reached_total\\{reason="${limit}"\\} (\\d+)$`, "m").exec(text.body)?.[1],
    );
  };
  return { clock, lines, server, student, count };
}

/** What comes back for one request on a connection of its own, until the server ends it. */
async function ask(t: TestContext, server: RunningApp, bytes: string, from?: string): Promise<string> {
  const connection = new RawConnection(t, server.port, from);
  connection.send(bytes);
  const received = await connection.over();
  connection.destroy();
  return received;
}

/** Connections that the server has, asked for on its own side. */
const openOf = (server: RunningApp) =>
  new Promise<number>((resolve) => server.app.server.getConnections((_, open) => resolve(open)));

async function silent(
  t: TestContext,
  server: RunningApp,
  count: number,
  from?: string,
): Promise<RawConnection[]> {
  const before = await openOf(server);
  const connections = Array.from({ length: count }, () => new RawConnection(t, server.port, from));
  while ((await openOf(server)) < before + count) await new Promise(setImmediate);
  return connections;
}

for (const kind of ["that say nothing", "with half a head", "with half a body", "kept alive"] as const) {
  test(`connections ${kind} are closed for others when there is no more room, the longest idle first`, async (t) => {
    const { clock, server, count } = await start(t, { maxConnections: 4, clientShare: 1 });
    const all: RawConnection[] = [];
    for (let i = 0; i < 4; i++) {
      const [connection] = await silent(t, server, 1);
      if (kind === "with half a head") connection!.send("GET /heal");
      if (kind === "with half a body") connection!.send(ASK.slice(0, -1));
      if (kind === "kept alive") {
        connection!.send(GET("/v1/models"));
        await connection!.until(/"object":"list"/);
      }
      all.push(connection!);
      clock.advance(1000);
    }
    // Nobody has been idle for five seconds: a fifth may ask the probes alone.
    assert.deepEqual(statuses(await ask(t, server, GET("/v1/models"))), [503]);
    assert.deepEqual(statuses(await ask(t, server, GET("/health"))), [200]);
    clock.advance(1000);
    const newcomer = new RawConnection(t, server.port);
    newcomer.send(GET("/v1/models"));
    await newcomer.until(/"object":"list"/);
    const received = await all[0]!.over();
    if (kind === "with half a body") assert.deepEqual(statuses(received), [503]);
    assert.ok(all.slice(1).every((connection) => !connection.closed));
    assert.equal(await count("idle_connection"), 1);
  });
}

test("when all connections are in use others are answered 503 with Retry-After, and the probes as ever", async (t) => {
  const { clock, lines, server, student, count } = await start(t, { maxConnections: 3, clientShare: 1 });
  const release = student.runner.hold();
  const busy = Array.from({ length: 3 }, () => new RawConnection(t, server.port));
  for (const connection of busy) connection.send(ASK);
  await until(() => server.app.lifecycle.active === 3);
  clock.advance(25_000);
  for (let i = 0; i < 20; i++) {
    const refused = await ask(t, server, i % 2 === 0 ? GET("/v1/models") : ASK);
    assert.deepEqual(statuses(refused), [503]);
    assert.match(refused, /^retry-after: 1\r$/im);
    assert.match(refused, /"code":"overloaded"/);
    const ready = await ask(t, server, GET("/ready"));
    assert.deepEqual(statuses(ready), [200]);
    assert.match(ready, /^connection: close\r$/im);
    assert.deepEqual(statuses(await ask(t, server, GET("/health"))), [200]);
  }
  const upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
  const key = "sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n";
  assert.deepEqual(statuses(await ask(t, server, GET(SOCKET_PATH, upgrade + key))), [503]);
  assert.equal(await count("connections"), 61);
  assert.equal(lines.filter(({ limit }) => limit === "connections").length, 1, "one line a minute");
  assert.ok(busy.every((connection) => !connection.closed));
  busy[0]!.destroy();
  await until(() => server.app.lifecycle.active === 2);
  assert.equal((await server.get("/v1/models")).status, 200);
  release();
});

test("connections that say nothing, three times as many as there is room for, and others that come and go, do not keep the probes waiting", async (t) => {
  const { server, count } = await start(t, { maxConnections: 50, clientShare: 1 });
  // They find only the places for probes, and make room there for one another.
  const crowd = Array.from({ length: 200 }, () => new RawConnection(t, server.port));
  for (const path of ["/health", "/ready", "/health", "/ready"]) {
    assert.deepEqual(statuses(await ask(t, server, GET(path))), [200]);
    for (let i = 0; i < 40; i++) crowd.push(new RawConnection(t, server.port));
  }
  await until(() => crowd.filter(({ closed }) => closed).length >= 200);
  assert.ok((await openOf(server)) <= 50 + 64 + 20);
  assert.deepEqual(statuses(await ask(t, server, GET("/health"))), [200]);
  assert.ok((await count("probe_connections")) > 0);
  for (const connection of crowd) connection.destroy();
});

test("one address has its share of connections, others theirs, and the probes are answered to both", async (t) => {
  const { clock, server, count } = await start(t, { maxConnections: 8 });
  const mine = await silent(t, server, 2);
  for (const path of ["/v1/models", "/metrics", "/", "/docs"]) {
    const refused = await ask(t, server, GET(path));
    assert.deepEqual(statuses(refused), [429], path);
    assert.match(refused, /"code":"too_many_requests"/);
  }
  assert.deepEqual(statuses(await ask(t, server, GET("/health"))), [200]);
  const elsewhere = new RawConnection(t, server.port, "127.0.0.2");
  elsewhere.send(GET("/v1/models"));
  await elsewhere.until(/"object":"list"/);
  assert.equal(await count("client_connections"), 5);
  clock.advance(5000);
  assert.equal((await server.get("/v1/models")).status, 200, "its own idle one was closed");
  await mine[0]!.over();
  assert.ok(!mine[1]!.closed && !elsewhere.closed);
});

test("a trusted proxy has any number of connections", async (t) => {
  const { server } = await start(t, { maxConnections: 8, trustProxy: ["127.0.0.0/8"] });
  await silent(t, server, 6);
  assert.equal((await server.get("/v1/models")).status, 200);
});

test("a client that sends hundreds of requests without waiting for answers is told so and cut off", async (t) => {
  const { server, student, count } = await start(t, {});
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const early = new RawConnection(t, server.port);
  early.send(ASK + GET("/v1/models").repeat(600));
  await held.catch(() => {});
  const received = await early.over();
  assert.deepEqual(statuses(received), [429]);
  assert.match(received, /too many requests are unanswered: at most 32 of a connection, and 1024 /);
  await until(() => server.app.lifecycle.active === 0);
  const expecting = new RawConnection(t, server.port);
  const held2 = student.runner.stepHeld();
  release();
  const again = student.runner.hold();
  expecting.send(ASK);
  await held2;
  expecting.send(GET("/v1/models", "expect: 100-continue\r\n").repeat(600));
  assert.deepEqual(statuses(await expecting.over()), [429]);
  again();
  const patient = new RawConnection(t, server.port);
  patient.send(GET("/v1/models").repeat(32));
  await until(() => statuses(patient.received).length === 32);
  patient.send(GET("/v1/models").repeat(32));
  await until(() => statuses(patient.received).length === 64);
  assert.ok(statuses(patient.received).every((status) => status === 200));
  // They were begun before the first was answered.
  const log = await server.app.inject({ url: "/metrics" });
  const models = /endpoint="\/v1\/models",status="\d+"\} (\d+)/g;
  const begun = [...log.body.matchAll(models)].reduce((sum, [, times]) => sum + Number(times), 0);
  assert.ok(begun < 64 + 70, `${begun} requests reached the routes`);
  assert.equal(await count("pipelined"), 2);
});

test("requests that wait behind others are bounded over all connections, and over those of one client", async (t) => {
  for (const [clientShare, expected] of [
    [1, 1024],
    [0.25, 256],
  ] as const) {
    const { server, student, count } = await start(t, { clientShare });
    const release = student.runner.hold();
    const held = student.runner.stepHeld();
    const first = new RawConnection(t, server.port);
    first.send(ASK);
    await held;
    // What stays unanswered on each behind its first request: nobody gets on before it is.
    const connections = Array.from({ length: 36 }, () => new RawConnection(t, server.port));
    const most = Math.floor(expected / 31);
    for (const connection of connections) connection.send(ASK + GET("/v1/models").repeat(31));
    await until(() => connections.filter(({ closed }) => closed).length === 36 - most);
    const cut = connections.filter(({ closed }) => closed);
    assert.ok(cut.every(({ received }) => /^HTTP\/1.1 429 /.test(received)));
    assert.equal(await count("pipelined"), 36 - most);
    // One request of a connection has its place as ever.
    const other = new RawConnection(t, server.port);
    other.send(GET("/v1/models"));
    await until(() => statuses(other.received).length === 1);
    release();
    await until(() =>
      connections.every(({ closed, received }) => closed || statuses(received).length === 32),
    );
    // And when they are answered there are places again.
    other.send(GET("/v1/models").repeat(32));
    await until(() => statuses(other.received).length === 33);
    assert.equal(await count("pipelined"), 36 - most);
  }
});

test("WebSockets have places of their own: beyond them 503, and 429 for one address, until an idle one makes room", async (t) => {
  const { clock, server, count } = await start(t, {
    maxWebSockets: 4,
    clientShare: 0.5,
    trustProxy: ["127.0.0.1"],
    apiKeys: null,
    receiveTimeoutMs: 600_000,
    webSocketPingMs: 0,
  });
  const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
  const refusal = async (address: string) => {
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}${SOCKET_PATH}`, from(address));
    t.after(() => ws.terminate());
    ws.on("error", () => {});
    const [, response] = await once(ws, "unexpected-response");
    ws.terminate();
    return [response.statusCode, response.headers["retry-after"]];
  };
  const first = await connectSocket(t, server, from("192.0.2.1"));
  const busy = await connectSocket(t, server, from("192.0.2.1"));
  assert.deepEqual(await refusal("192.0.2.1"), [429, "1"]);
  await connectSocket(t, server, from("2001:db8::1"));
  const last = await connectSocket(t, server, from("2001:db8::2"));
  assert.deepEqual(await refusal("2001:db8::3"), [429, "1"], "the same /64");
  assert.deepEqual(await refusal("192.0.2.9"), [503, "1"]);
  assert.equal((await server.get("/v1/models")).status, 200);
  busy.ask("q", "{{x*}}", { max_tokens: 60_000 });
  await busy.frame(({ type }) => type === "token");
  clock.advance(60_000);
  await connectSocket(t, server, from("192.0.2.1"));
  assert.deepEqual(await first.closed, { code: 1013, reason: "idle for long, and others need the room" });
  await busy.settled();
  await last.settled();
  assert.equal(await count("idle_websocket"), 1);
  assert.equal(await count("client_websockets"), 2);
  assert.equal(await count("websockets"), 1);
  for (const client of [busy, last]) client.ws.terminate();
  await until(() => server.app.lifecycle.active === 0);
});
