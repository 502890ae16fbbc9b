// Answers that nobody reads, over real sockets: their clients are cut off, what they asked for stops, and nothing stays.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ServerConfig } from "../../src/server/config.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { type RunningApp, runTiny } from "./support/running-app.ts";
import { connectSocket } from "./support/socket-client.ts";
import { until } from "./support/until.ts";

const MEGABYTE = 1_000_000;
/** One and a half megabytes. */
const FILE = (from = "192.0.2.1") =>
  `GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\nx-forwarded-for: ${from}\r\n\r\n`;

async function start(t: TestContext, config: Partial<ServerConfig> = {}) {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, {
    clock,
    contextLength: 65_536,
    config: {
      trustProxy: ["127.0.0.1"],
      writeTimeoutMs: 30_000,
      streamBufferBytes: 1_000_000_000,
      webSocketPingMs: 0,
      ...config,
    },
  });
  const value = async (series: string) => {
    const { body } = await server.app.inject({ url: "/metrics" });
    const line = body.split("\n").find((candidate) => candidate.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1));
  };
  const count = (limit: string) => value(`magdi_limits_reached_total{reason="${limit}"}`);
  /** Lets seconds pass, and the server do its work between. */
  const pass = async (seconds: number) => {
    for (let i = 0; i < 2 * seconds; i++) {
      clock.advance(500);
      await new Promise(setImmediate);
    }
  };
  const unread = async (atLeast: number) => {
    for (;;) {
      const bytes = await value("magdi_answer_buffer_bytes");
      if (bytes >= atLeast) return bytes;
      clock.advance(1);
      await pass(0.5);
    }
  };
  return { clock, server, student, value, count, pass, unread };
}

/** Asks for more than the kernels hold, and reads nothing of it. */
function reader(t: TestContext, server: RunningApp, from = "192.0.2.1", files = 8): RawConnection {
  const connection = new RawConnection(t, server.port);
  connection.pause();
  connection.send(FILE(from).repeat(files));
  return connection;
}

const openOf = (server: RunningApp) =>
  new Promise<number>((resolve) => server.app.server.getConnections((_, open) => resolve(open)));

async function assertCut(server: RunningApp, left = 0): Promise<void> {
  while ((await openOf(server)) > left) await new Promise(setImmediate);
}

test("a client that reads nothing of its answers is cut off after the time it had", async (t) => {
  const { server, count, pass, unread, value } = await start(t, { clientShare: 1 });
  reader(t, server);
  await unread(MEGABYTE);
  await pass(28);
  assert.equal(await openOf(server), 1);
  await pass(4);
  await assertCut(server);
  assert.equal(await count("unread_answer"), 1);
  assert.equal(await value("magdi_answer_buffer_bytes"), 0);
});

test("a client that reads slowly, but reads, gets all of its answers", async (t) => {
  const { server, count, pass, unread } = await start(t, { clientShare: 1 });
  const connection = reader(t, server, "192.0.2.1", 20);
  await unread(MEGABYTE);
  // What the kernels hold is read before the server sees that anything is.
  for (let round = 1; round <= 4; round++) {
    await pass(25);
    connection.resume();
    await until(() => connection.received.length > round * 6 * MEGABYTE || connection.closed);
    connection.pause();
  }
  assert.equal(await count("unread_answer"), 0);
  connection.resume();
  await until(() => connection.received.length > 20 * 1_400_000 || connection.closed);
  assert.equal(await openOf(server), 1);
  connection.destroy();
});

for (const kind of ["a stream", "a whole answer"] as const) {
  test(`what was asked for stops when the client of ${kind} does not read`, async (t) => {
    const { server, student, count, pass, unread } = await start(t, { clientShare: 1 });
    const messages = [{ role: "user", content: "{{x*}}" }];
    const json = JSON.stringify({ messages, max_tokens: 60_000, n: 8, stream: kind === "a stream" });
    const connection = new RawConnection(t, server.port);
    connection.pause();
    // The answer comes after files that are not read.
    connection.send(
      `${FILE().repeat(6)}POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
        `content-length: ${json.length}\r\n\r\n${json}`,
    );
    await until(() => student.engine.stats().samplesRunning === 8);
    await unread(MEGABYTE / 2);
    assert.equal(student.engine.stats().samplesRunning, 8);
    await pass(32);
    await until(() => student.engine.stats().samplesRunning === 0 && server.app.lifecycle.active === 0);
    await assertCut(server);
    assert.equal(await count("unread_answer"), 1);
    assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 1);
  });
}

test("a WebSocket's client that reads nothing is cut off after the time it had, and its questions stop", async (t) => {
  const { server, student, count, pass, value } = await start(t, { clientShare: 1 });
  const client = await connectSocket(t, server);
  client.ws.pause();
  // Answers to questions that are wrong in every field: more than the kernels hold.
  const long = "y".repeat(60);
  const fields = { question: [long], passage: [long], samples: long, temperature: long, top_p: long };
  const wrong = JSON.stringify({ type: "reason", id: "wrong", ...fields });
  while ((await value("magdi_answer_buffer_bytes")) < MEGABYTE / 4) {
    for (let sent = 0; sent < 1000; sent++) client.ws.send(wrong);
    // The server takes one a turn of the event loop.
    for (let turn = 0; turn < 1100; turn++) await new Promise(setImmediate);
    await pass(0.5);
  }
  client.ask("q", "{{x*}}", { samples: 8, max_tokens: 60_000, early_stop: "off" });
  await until(() => student.engine.stats().samplesRunning === 8);
  await pass(20);
  assert.equal(student.engine.stats().samplesRunning, 8);
  await pass(12);
  await until(() => student.engine.stats().samplesRunning === 0 && server.app.lifecycle.active === 0);
  await assertCut(server);
  assert.equal(await count("unread_answer"), 1);
  assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 1);
  assert.equal(await value("magdi_answer_buffer_bytes"), 0);
});

test("unread answers of all take no more than there is: whoever has not read for the longest is cut off", async (t) => {
  const { server, count, pass, value } = await start(t, {
    answerBufferBytes: 20 * MEGABYTE,
    clientShare: 1,
  });
  const readers: RawConnection[] = [];
  const [first, second] = [0, 1].map((i) => () => readers[i]!);
  // How much the kernels hold of each is theirs.
  while ((await count("unread_answers")) === 0) {
    assert.equal(await openOf(server), readers.length);
    readers.push(reader(t, server, `192.0.2.${readers.length}`));
    await pass(2);
  }
  await assertCut(server, readers.length - 1);
  assert.ok((await value("magdi_answer_buffer_bytes")) <= 20 * MEGABYTE);
  first!().resume();
  await first!().over();
  assert.ok(first!().received.length < 8 * 1_400_000, "its answer was cut");
  second!().resume();
  await until(() => second!().received.length > 8 * 1_400_000);
});

test("unread answers of one client take no more than its share, and others' are left alone", async (t) => {
  const { server, count, pass, unread } = await start(t, {
    answerBufferBytes: 64 * MEGABYTE,
    clientShare: 0.25,
  });
  const other = reader(t, server, "192.0.2.9");
  await unread(5 * MEGABYTE);
  await pass(2);
  reader(t, server, "192.0.2.1", 10);
  await unread(15 * MEGABYTE);
  await pass(2);
  reader(t, server, "192.0.2.1", 10);
  while ((await count("client_unread_answers")) === 0) await pass(0.5);
  await assertCut(server, 2);
  assert.ok(!other.closed);
  assert.equal(await count("unread_answers"), 0);
});

test("an answer that is larger than the share of one is read by whoever reads", async (t) => {
  const { server, count } = await start(t, { answerBufferBytes: 2 * MEGABYTE, clientShare: 0.1 });
  for (let i = 0; i < 5; i++) {
    const response = await fetch(`${server.url}/docs/swagger-ui-bundle.js`);
    assert.ok((await response.arrayBuffer()).byteLength > MEGABYTE);
  }
  assert.equal(await count("unread_answers"), 0);
  assert.equal(await count("client_unread_answers"), 0);
});
