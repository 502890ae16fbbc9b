// Bodies that do not end, over real sockets: what all of them hold is bounded, and others are answered meanwhile.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { ServerConfig } from "../../src/server/config.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { type RunningApp, runTiny } from "./support/running-app.ts";
import { until } from "./support/until.ts";

const QUESTION = JSON.stringify({ question: "How many? {{The answer is 4.}}", max_tokens: 30 });
const LIMIT_BYTES = 65_536;
const statuses = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

const head = (headers: string, from = "192.0.2.1") =>
  "POST /v1/reason HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" +
  `x-forwarded-for: ${from}\r\n${headers}\r\n\r\n`;

const CONFIG: Partial<ServerConfig> = {
  bodyLimitBytes: LIMIT_BYTES,
  bodyBufferBytes: 8 * LIMIT_BYTES,
  trustProxy: ["127.0.0.1"],
};

async function start(t: TestContext, config: Partial<ServerConfig> = {}) {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, { clock, config: { ...CONFIG, ...config } });
  const value = async (series: string) => {
    const { body } = await server.app.inject({ url: "/metrics" });
    const line = body.split("\n").find((candidate) => candidate.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1));
  };
  const count = (limit: string) => value(`magdi_limits_reached_total{reason="${limit}"}`);
  const heldBytes = () => value("magdi_body_buffer_bytes");
  const settles = async (bytes: number) => {
    while ((await heldBytes()) !== bytes) await new Promise(setImmediate);
  };
  return { clock, server, student, count, heldBytes, settles };
}

/** A body one byte short of what it announces. */
function short(t: TestContext, server: RunningApp, from: string, bytes = LIMIT_BYTES): RawConnection {
  const connection = new RawConnection(t, server.port);
  connection.send(head(`content-length: ${bytes}`, from) + "x".repeat(bytes - 1));
  return connection;
}

async function answerOf(t: TestContext, server: RunningApp, from: string, body = QUESTION): Promise<string> {
  const connection = new RawConnection(t, server.port);
  connection.send(head(`content-length: ${body.length}`, from) + body);
  await connection.until(/\r\n\r\n\{.*\}$/s);
  connection.destroy();
  return connection.received;
}

test("bodies one byte short hold no more than there is for all, and the oldest give way to others after five seconds", async (t) => {
  const { clock, server, count, heldBytes, settles } = await start(t);
  const held: RawConnection[] = [];
  for (let i = 0; i < 8; i++) {
    held.push(short(t, server, `192.0.2.${i}`));
    await settles((i + 1) * LIMIT_BYTES);
  }
  const refused = await answerOf(t, server, "192.0.2.100");
  assert.deepEqual(statuses(refused), [503]);
  assert.match(refused, /"code":"overloaded"/);
  assert.match(refused, /^retry-after: 1\r$/im);
  assert.equal(await count("bodies"), 1);
  assert.equal(await heldBytes(), 8 * LIMIT_BYTES);
  clock.advance(5000);
  assert.match(await answerOf(t, server, "192.0.2.100"), /"answer":"4"/);
  await held[0]!.until(/HTTP\/1\.1 503 /);
  assert.ok(held.slice(1).every(({ received }) => received === ""));
  assert.equal(await count("slow_body"), 1);
  // What the others still send is taken.
  held[1]!.send("x");
  await held[1]!.until(/HTTP\/1\.1 400 /);
  for (const connection of held) connection.destroy();
  await settles(0);
});

test("one address has its share of bodies, and is told so; others are served", async (t) => {
  const { server, count, settles } = await start(t);
  const held = [short(t, server, "2001:db8::1"), short(t, server, "2001:db8::2")];
  await settles(2 * LIMIT_BYTES);
  const refused = await answerOf(t, server, "2001:db8::3");
  assert.deepEqual(statuses(refused), [429]);
  assert.match(refused, /"code":"too_many_requests"/);
  assert.match(await answerOf(t, server, "2001:db8:0:1::1"), /"answer":"4"/);
  assert.equal(await count("client_bodies"), 1);
  held[0]!.destroy();
  await settles(LIMIT_BYTES);
  assert.match(await answerOf(t, server, "2001:db8::3"), /"answer":"4"/);
});

test("a hundred senders of bodies that never end are answered in time, and none of it is held", async (t) => {
  const { server, settles } = await start(t, { bodyBufferBytes: 4096, receiveTimeoutMs: 1000 });
  const senders = Array.from({ length: 100 }, (_, i) => short(t, server, `192.0.2.${i}`, 9000));
  await new Promise(setImmediate);
  assert.equal((await server.get("/health")).status, 200);
  for (const [i, connection] of senders.entries()) {
    await connection.until(/HTTP\/1\.1 (408|503) /);
    assert.ok([408, 503].includes(statuses(connection.received)[0]!), String(i));
  }
  for (const connection of senders) connection.destroy();
  await settles(0);
});

test("a body is held until its request is answered, and no longer", async (t) => {
  const { server, student, heldBytes, settles } = await start(t);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const connection = new RawConnection(t, server.port);
  connection.send(head(`content-length: ${QUESTION.length}`) + QUESTION);
  await held;
  const bytes = await heldBytes();
  assert.ok(bytes >= QUESTION.length && bytes <= 8192, String(bytes));
  release();
  await connection.until(/"answer":"4"/);
  await settles(0);
});

test("a body in chunks of a byte each takes no more than another, and a long one is refused for them", async (t) => {
  const { server, heldBytes, settles } = await start(t);
  const chunked = new RawConnection(t, server.port);
  const bytewise = (text: string) => [...text].map((char) => `1\r\n${char}\r\n`).join("");
  chunked.send(`${head("transfer-encoding: chunked")}${bytewise(QUESTION)}0\r\n\r\n`);
  await chunked.until(/"answer":"4"/);
  const endless = new RawConnection(t, server.port);
  endless.send(head("transfer-encoding: chunked") + bytewise(" ".repeat(1000)));
  await until(() => server.app.server.listening);
  while ((await heldBytes()) === 0) await new Promise(setImmediate);
  assert.ok((await heldBytes()) <= 8192);
  endless.send(bytewise(" ".repeat(20_000)));
  const refused = await endless.over();
  assert.deepEqual(statuses(refused), [400]);
  assert.match(refused, /too many chunks of a few bytes/);
  await settles(0);
  // Chunks as programs write them.
  const usual = new RawConnection(t, server.port);
  const padded = QUESTION.replace("{", `{${" ".repeat(50_000)}`);
  const pieces = padded.match(/.{1,100}/gs)!.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`);
  usual.send(`${head("transfer-encoding: chunked")}${pieces.join("")}0\r\n\r\n`);
  await usual.until(/"answer":"4"/);
});

test("what a compressed body may become is held while it is inflated", async (t) => {
  const { server, count, settles } = await start(t, { bodyBufferBytes: 2 * LIMIT_BYTES });
  const body = gzipSync(QUESTION);
  const send = () => {
    const connection = new RawConnection(t, server.port);
    connection.send(head(`content-encoding: gzip\r\ncontent-length: ${body.length}`, "192.0.2.77"));
    connection.send(body);
    return connection;
  };
  const alone = send();
  await alone.until(/"answer":"4"/);
  await settles(0);
  const other = short(t, server, "192.0.2.1");
  await settles(LIMIT_BYTES);
  const beside = send();
  await beside.until(/HTTP\/1\.1 503 /);
  assert.equal(await count("bodies"), 1);
  other.destroy();
});

test("unknown paths and other methods hold no more than questions do", async (t) => {
  const { server, settles, heldBytes } = await start(t);
  for (const line of ["POST /v1/nothing", "PUT /v1/reason", "PATCH /x", "DELETE /v1/models"]) {
    const connection = new RawConnection(t, server.port);
    const headers = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${LIMIT_BYTES}`;
    connection.send(`${line} HTTP/1.1\r\n${headers}\r\n\r\n${"x".repeat(LIMIT_BYTES - 1)}`);
    await settles(LIMIT_BYTES);
    connection.destroy();
    await settles(0);
  }
  for (const [what, headers] of [
    ["a GET", "GET /health HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000"],
    [
      "another type",
      "POST /v1/reason HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 60000",
    ],
  ] as const) {
    const connection = new RawConnection(t, server.port);
    connection.send(`${headers}\r\n\r\n${"x".repeat(59_999)}`);
    await connection.until(/HTTP\/1\.1 (200|415) /);
    assert.equal(await heldBytes(), 0, what);
    connection.destroy();
  }
});
