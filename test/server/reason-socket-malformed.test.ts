// What no honest client sends over a socket: garbage, mutations, floods, giants, broken protocol. The server answers
// within bounds, and serves on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleRandom } from "../../src/engine/random.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { type RunningApp, runTiny } from "./support/running-app.ts";
import { connectSocket, SOCKET_PATH, type SocketClient } from "./support/socket-client.ts";
import { until } from "./support/until.ts";

const RIGHT = { type: "reason", id: "right", question: "Two? {{The answer is 2.}}" };

async function assertServes(server: RunningApp, client?: SocketClient): Promise<void> {
  const asked = client ?? null;
  if (asked !== null) {
    const before = asked.frames.length;
    asked.send(RIGHT);
    await until(() => asked.frames.slice(before).some(({ id, type }) => id === "right" && type === "result"));
  }
  assert.equal((await server.post("/v1/reason", { question: RIGHT.question })).body.answer, "2");
  await until(() => server.app.lifecycle.active === 0);
  for (const gauge of ["requests_running", "requests_waiting", "samples_running", "kv_cache_usage_ratio"]) {
    assert.equal(await server.metric(`magdi_${gauge}`), 0, gauge);
  }
  assert.equal(await server.metric('magdi_request_failures_total{reason="internal"}'), 0);
}

test("frames that belong to no request are answered by errors without an id", async (t) => {
  const { server } = await runTiny(t);
  const client = await connectSocket(t, server);
  const bad: (string | Buffer)[] = [
    "",
    "hello",
    "{",
    "null",
    "5",
    '"reason"',
    "[]",
    '[{"type":"ping"}]',
    "{}",
    '{"type":null}',
    '{"type":"toString"}',
    '{"type":"__proto__"}',
    '{"type":"accepted","id":"a"}',
    '{"type":["ping"]}',
    '{"__proto__":{"type":"ping"}}',
    Buffer.from(JSON.stringify(RIGHT)),
    "[".repeat(100_000),
    `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`,
  ];
  for (const frame of bad) {
    const before = client.frames.length;
    client.ws.send(frame);
    await until(() => client.frames.length > before);
    const [answer] = client.frames.slice(before);
    assert.equal(answer.type, "error");
    assert.equal(answer.id, null);
    assert.equal(answer.error.type, "invalid_request_error");
    assert.ok(JSON.stringify(answer).length < 500);
  }
  const invalid = await server.metric('magdi_request_failures_total{reason="invalid"}');
  assert.equal(invalid, bad.length);
  // A control frame with too much in it begins no request, and is none that failed.
  for (const frame of ['{"type":"ping","id":"a"}', '{"type":"cancel"}', '{"type":"enough","id":"x","n":1}']) {
    const before = client.frames.length;
    client.send(frame);
    await until(() => client.frames.length > before);
    assert.equal(client.frames.at(-1).type, "error");
  }
  assert.equal(await server.metric('magdi_request_failures_total{reason="invalid"}'), invalid);
  await assertServes(server, client);
});

test("a frame that is nested too deep is refused by name, whole or not, and the connection goes on", async (t) => {
  const { server } = await runTiny(t);
  const client = await connectSocket(t, server);
  for (const frame of [
    "[".repeat(900_000),
    '{"type":"ping","x":'.repeat(40_000),
    `{"type":"ping","x":${"[".repeat(400_000)}${"]".repeat(400_000)}}`,
    `{"type":"reason","id":"a","question":${"[".repeat(65)}1${"]".repeat(65)}}`,
  ]) {
    const before = client.frames.length;
    client.ws.send(frame);
    await until(() => client.frames.length > before);
    assert.equal(client.frames.at(-1).error.message, "the body is nested deeper than 64 levels");
    assert.equal(client.frames.at(-1).id, null);
  }
  await assertServes(server, client);
});

test("fields that JSON can smuggle are unknown fields", async (t) => {
  const { server } = await runTiny(t);
  const client = await connectSocket(t, server);
  const cases = [
    '"__proto__":{"samples":9}',
    '"constructor":{"prototype":{"x":1}}',
    '"choices":["a",{"__proto__":1}]',
  ];
  for (const [index, field] of cases.entries()) {
    client.send(`{"type":"reason","id":"f${index}","question":"q",${field}}`);
    assert.equal((await client.last(`f${index}`)).error.type, "invalid_request_error");
  }
  await assertServes(server, client);
});

test("a client that only sends nonsense is closed with 1008", async (t) => {
  const { server } = await runTiny(t);
  const client = await connectSocket(t, server);
  for (let i = 0; i < 31; i++) client.send("nonsense");
  await client.settled();
  for (let i = 0; i < 5000; i++) client.send("nonsense");
  assert.equal((await client.closed).code, 1008);
  assert.equal(client.of(null).length, 31 + 32, "a frame that made sense began the count anew");
  await assertServes(server);
});

test("a frame over the body limit closes with 1009, and takes its client's questions along", async (t) => {
  const { server, student } = await runTiny(t, { config: { bodyLimitBytes: 2048 } });
  const client = await connectSocket(t, server);
  client.ask("long", "{{x*}}", { samples: 2 });
  await client.frame(({ type }) => type === "token");
  client.send(`{"type":"ping"${" ".repeat(2048 - 15)}}`);
  await client.frame(({ type }) => type === "pong");
  client.send(`{"type":"ping"${" ".repeat(2048)}}`);
  assert.equal((await client.closed).code, 1009);
  await until(() => student.engine.stats().samplesRunning === 0);
  await assertServes(server);
});

test("a frame of the size that is allowed is bounded in what it costs", async (t) => {
  const { server } = await runTiny(t);
  const client = await connectSocket(t, server);
  const values = Array.from({ length: 200_000 }, () => 1);
  client.send({ ...RIGHT, id: "values", choices: values });
  const { error } = await client.last("values");
  assert.match(error.message, /more than 50000 values/);
  const names = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`unknown-${i}`, i]));
  client.send({ ...RIGHT, id: "names", ...names });
  const wrong = await client.last("names");
  assert.ok(JSON.stringify(wrong).length < 3000);
  await assertServes(server, client);
});

test("thousands of frames at once are each answered, in order, and others are served meanwhile", async (t) => {
  const { server } = await runTiny(t, { config: { webSocketRequests: 4 } });
  const flooding = await connectSocket(t, server);
  const other = await connectSocket(t, server);
  const kinds = [
    () => '{"type":"ping"}',
    (i: number) => JSON.stringify({ type: "cancel", id: `none-${i}` }),
    (i: number) => JSON.stringify({ type: "reason", id: `wrong-${i}`, question: 5 }),
    () => "nonsense",
  ];
  for (let i = 0; i < 4000; i++) flooding.send(kinds[i % kinds.length]!(i));
  other.send(RIGHT);
  assert.equal((await other.last("right")).answer, "2");
  assert.ok(flooding.frames.length < 4000, "the other did not wait for the flood");
  await until(() => flooding.frames.length === 4000);
  const wrong = flooding.frames.filter(({ id }) => id !== null && id !== undefined);
  assert.deepEqual(
    wrong.map(({ id }) => id),
    Array.from({ length: 1000 }, (_, i) => `wrong-${4 * i + 2}`),
  );
  // Questions, all at once: some are answered, and the rest refused under their ids.
  for (let i = 0; i < 500; i++) flooding.ask(`q${i}`, RIGHT.question);
  for (let i = 0; i < 500; i++) {
    const last = await flooding.last(`q${i}`);
    assert.ok(last.type === "result" || last.error.code === "too_many_requests");
  }
  await assertServes(server, flooding);
});

test("mutated and random frames: every answer is a frame of the contract", async (t) => {
  const { server } = await runTiny(t, { contextLength: 256 });
  const random = sampleRandom(2026, 0);
  const below = (n: number) => Math.floor(random.nextFloat() * n);
  const seeds = [
    { ...RIGHT, id: "a", samples: 3, seed: 1, early_stop: "off", vote: "confidence", return_samples: true },
    { ...RIGHT, id: "b", choices: ["x", { label: "B", text: "y" }], task: "multiple-choice", top_p: 0.5 },
    { ...RIGHT, id: "c", passage: "Because.", max_tokens: 5, temperature: 0.5, baseline: "gsm8k" },
    { type: "cancel", id: "a" },
    { type: "enough", id: "b" },
    { type: "ping" },
  ].map((frame) => JSON.stringify(frame));
  const tokens = [
    "null",
    "-1",
    "1e999",
    '""',
    "[]",
    "{}",
    '"\\ud800"',
    "true",
    '"type"',
    ",",
    ":",
    "}",
    '"id"',
    "0.5",
  ];
  const mutated = () => {
    let text = seeds[below(seeds.length)]!;
    for (let edits = 1 + below(3); edits > 0; edits--) {
      const at = below(text.length);
      const rest = text.slice(at + below(6));
      switch (below(4)) {
        case 0:
          text = text.slice(0, at) + rest;
          break;
        case 1:
          text = text.slice(0, at) + tokens[below(tokens.length)] + rest;
          break;
        case 2:
          text = text.slice(0, at) + text.slice(at - below(20)) + rest;
          break;
        default:
          text = text.slice(0, at) + String.fromCharCode(below(0xd800)) + rest;
      }
    }
    return text;
  };
  let client = await connectSocket(t, server);
  let closes = 0;
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 25; i++) {
      const kind = below(8);
      if (kind === 0) client.ws.send(Buffer.from(Array.from({ length: below(64) }, () => below(256))));
      else if (kind === 1)
        client.send(String.fromCharCode(...Array.from({ length: below(64) }, () => below(256))));
      else if (kind === 2) client.send(seeds[below(seeds.length)]);
      else client.send(mutated());
    }
    const pongs = () => client.frames.filter(({ type }) => type === "pong").length;
    const before = pongs();
    client.send({ type: "ping" });
    await until(() => pongs() > before || client.ws.readyState === client.ws.CLOSED);
    if (client.ws.readyState !== client.ws.CLOSED) continue;
    closes++;
    assert.equal((await client.closed).code, 1008);
    client = await connectSocket(t, server);
  }
  assert.ok(closes < 60);
  client.ws.close();
  await client.closed;
  await until(() => server.app.lifecycle.active === 0);
  await assertServes(server);
});

test("what breaks the WebSocket protocol closes that connection alone", async (t) => {
  const { server, student } = await runTiny(t);
  const other = await connectSocket(t, server);
  const upgrade =
    `GET ${SOCKET_PATH} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
    "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  const cases: [name: string, bytes: number[], code: number][] = [
    ["no mask", [0x81, 0x02, 0x7b, 0x7d], 1002],
    ["a reserved opcode", [0x83, 0x80, 0, 0, 0, 0], 1002],
    ["reserved bits", [0xf1, 0x80, 0, 0, 0, 0], 1002],
    ["a continuation of nothing", [0x80, 0x80, 0, 0, 0, 0], 1002],
    ["a ping in pieces", [0x09, 0x80, 0, 0, 0, 0], 1002],
    ["text that is not UTF-8", [0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28], 1007],
    ["a length of 2^63", [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], 1009],
    ["a length over the limit", [0x81, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0], 1009],
    ["a close with a forbidden code", [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002],
  ];
  for (const [name, bytes, code] of cases) {
    const connection = new RawConnection(t, server.port);
    connection.send(upgrade);
    await connection.until(/\r\n\r\n/);
    connection.send(Buffer.from(bytes));
    // The close frame: opcode 8, its length, the code.
    await connection.until(/\r\n\r\n\x88/);
    await until(() => connection.received.split("\r\n\r\n\x88")[1]!.length >= 3);
    const frame = Buffer.from(connection.received.split("\r\n\r\n\x88")[1]!, "latin1");
    assert.equal(frame.readUInt16BE(1), code, name);
    connection.destroy();
  }
  // A peer that breaks off within a frame, and one that sends no more after the handshake's first bytes.
  const within = new RawConnection(t, server.port);
  within.send(upgrade);
  await within.until(/\r\n\r\n/);
  within.send(Buffer.from([0x81, 0xfe, 0x10]));
  within.destroy();
  // Frames that arrive together with the upgrade, byte by byte or at once, are frames.
  const eager = new RawConnection(t, server.port);
  const ping = Buffer.from([0x81, 0x8f, 0, 0, 0, 0, ...Buffer.from('{"type":"ping"}')]);
  eager.send(Buffer.concat([Buffer.from(upgrade), ping]));
  await eager.until(/"pong"/);
  for (const byte of ping) eager.send(Buffer.from([byte]));
  await eager.until(/"pong".*"pong"/s);
  eager.destroy();
  assert.equal(student.engine.stats().requestsRunning, 0);
  await assertServes(server, other);
});

test("each question counts against the caller's limit, as a POST does", async (t) => {
  const clock = new ManualClock();
  const { server } = await runTiny(t, { clock, config: { requestsPerMinute: 3 } });
  const client = await connectSocket(t, server);
  for (let i = 0; i < 20; i++) client.send({ type: "ping" });
  for (const id of ["a", "b"]) {
    client.ask(id, RIGHT.question);
    assert.equal((await client.last(id)).answer, "2");
  }
  assert.equal((await server.post("/v1/reason", { question: RIGHT.question })).status, 200);
  client.ask("c", RIGHT.question);
  const { error } = await client.last("c");
  const http = await server.post("/v1/reason", { question: RIGHT.question });
  assert.equal(http.status, 429);
  assert.deepEqual(error, http.body.error);
  clock.advance(20_000);
  client.ask("d", RIGHT.question);
  assert.equal((await client.last("d")).answer, "2");
  assert.equal(await server.metric('magdi_request_failures_total{reason="rate_limited"}'), 2);
});

test("200 sockets that are opened, asked and dropped leave nothing behind", async (t) => {
  const { server, student } = await runTiny(t);
  const clients = await Promise.all(Array.from({ length: 200 }, () => connectSocket(t, server)));
  for (const client of clients) client.ask("q", "{{x*}}");
  await until(() => server.app.lifecycle.active === 200);
  for (const client of clients) client.ws.terminate();
  await until(() => server.app.lifecycle.active === 0);
  assert.equal(student.engine.stats().samplesWaiting, 0);
  assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 200);
  await assertServes(server);
});
