// WebSocket messages that do not end, and what is sent in between, over real sockets.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import type { ServerConfig } from "../../src/server/config.ts";
import { FrameReader } from "../../src/server/transport/frame-reader.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { type RunningApp, runTiny } from "./support/running-app.ts";
import { connectSocket, SOCKET_PATH } from "./support/socket-client.ts";

const [CONTINUATION, TEXT, CLOSE, PING, PONG] = [0, 1, 8, 9, 10];
const TIMEOUT_MS = 30_000;

/** A client's frame, masked with zeros: its payload is as it is given. */
function frame(opcode: number, payload: string | Buffer = "", final = true): Buffer {
  const bytes = Buffer.from(payload);
  const length =
    bytes.length < 126
      ? [bytes.length | 0x80]
      : bytes.length < 65_536
        ? [126 | 0x80, bytes.length >> 8, bytes.length & 255]
        : [
            127 | 0x80,
            0,
            0,
            0,
            0,
            bytes.length >>> 24,
            (bytes.length >> 16) & 255,
            (bytes.length >> 8) & 255,
            bytes.length & 255,
          ];
  return Buffer.concat([Buffer.from([opcode | (final ? 0x80 : 0), ...length, 0, 0, 0, 0]), bytes]);
}

const many = (count: number, one: Buffer) => Buffer.concat(Array.from({ length: count }, () => one));
const QUESTION = JSON.stringify({ type: "reason", id: "q", question: "How many? {{The answer is 4.}}" });

async function start(t: TestContext, config: Partial<ServerConfig> = {}) {
  const clock = new ManualClock();
  const { server } = await runTiny(t, {
    clock,
    config: { webSocketPingMs: 0, receiveTimeoutMs: TIMEOUT_MS, trustProxy: ["127.0.0.1"], ...config },
  });
  const value = async (series: string) => {
    const { body } = await server.app.inject({ url: "/metrics", headers: { "x-api-key": KEY } });
    const line = body.split("\n").find((candidate) => candidate.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1));
  };
  return {
    clock,
    server,
    count: (limit: string) => value(`magdi_limits_reached_total{reason="${limit}"}`),
    heldBytes: () => value("magdi_body_buffer_bytes"),
  };
}

const KEY = "alices-secret-0123456789";

/** An upgraded connection, as bytes. */
async function upgraded(t: TestContext, server: RunningApp, from = "192.0.2.1", headers = "") {
  const connection = new RawConnection(t, server.port);
  connection.send(
    `GET ${SOCKET_PATH} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
      `sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nx-forwarded-for: ${from}\r\n${headers}\r\n`,
  );
  await connection.until(/101 [\s\S]*\r\n\r\n/);
  const settled = async () => {
    const pongs = () => connection.received.split('"pong"').length;
    const before = pongs();
    connection.send(frame(TEXT, '{"type":"ping"}'));
    while (pongs() === before) {
      if (connection.closed) throw new Error(`closed: ${connection.received.slice(-200)}`);
      await new Promise(setImmediate);
    }
  };
  /** Code and reason of the close frame, which is the last thing that comes; null if the connection was cut without. */
  const close = async () => {
    for (;;) {
      const received = Buffer.from(connection.received, "latin1");
      const at = received.lastIndexOf(0x80 | CLOSE);
      const length = at < 0 ? undefined : received[at + 1];
      if (length !== undefined && received.length === at + 2 + length) {
        connection.destroy();
        const payload = received.subarray(at + 2);
        return { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() };
      }
      if (connection.closed) return null;
      await new Promise(setImmediate);
    }
  };
  return { connection, settled, close };
}

/** Until the server has taken in that something is unfinished: it holds bytes. */
async function holding(heldBytes: () => Promise<number>, atLeast = 1): Promise<void> {
  while ((await heldBytes()) < atLeast) await new Promise(setImmediate);
}

for (const [what, bytes] of Object.entries({
  "half a header": frame(TEXT, QUESTION).subarray(0, 3),
  "a frame short of a byte": frame(TEXT, QUESTION).subarray(0, -1),
  "a message short of its last frame": frame(TEXT, QUESTION, false),
  "half a ping": frame(PING, "hello").subarray(0, 8),
  "a whole message and a byte": Buffer.concat([
    frame(TEXT, '{"type":"ping"}'),
    frame(TEXT, "x").subarray(0, 1),
  ]),
})) {
  test(`${what} is waited for until the deadline, and pings and pongs do not move it`, async (t) => {
    const { clock, server, count, heldBytes } = await start(t);
    const { connection, settled, close } = await upgraded(t, server);
    await settled();
    connection.send(bytes);
    await holding(heldBytes);
    clock.advance(TIMEOUT_MS - 1);
    if (what === "a message short of its last frame") {
      connection.send(Buffer.concat([frame(PONG), frame(PING), frame(CONTINUATION, " ", false)]));
      const pong = String.fromCharCode(0x80 | PONG, 0);
      while (!connection.received.endsWith(pong)) await new Promise(setImmediate);
    }
    assert.ok(!connection.closed);
    clock.advance(1);
    assert.deepEqual(await close(), {
      code: 1008,
      reason: `a message did not arrive within ${TIMEOUT_MS} ms`,
    });
    assert.equal(await count("slow_message"), 1);
    assert.equal(await heldBytes(), 0);
  });
}

test("messages that end in time are answered, in however many pieces, and each has its own deadline", async (t) => {
  const { clock, server, heldBytes } = await start(t);
  const { connection, settled } = await upgraded(t, server);
  const bytes = Buffer.concat([
    frame(TEXT, QUESTION.slice(0, 20), false),
    frame(PING, "x"),
    frame(CONTINUATION, QUESTION.slice(20)),
  ]);
  for (let round = 0; round < 3; round++) {
    for (const byte of bytes.subarray(0, -1)) connection.send(Buffer.from([byte]));
    await holding(heldBytes);
    clock.advance(TIMEOUT_MS - 1);
    const before = connection.received.length;
    connection.send(bytes.subarray(-1));
    await connection.until(new RegExp(`^[\\s\\S]{${before}}[\\s\\S]*"type":"result"`));
    await settled();
    assert.equal(await heldBytes(), 0);
  }
  connection.destroy();
});

test("a message padded with pongs, empty fragments or too many fragments is refused before it takes memory", async (t) => {
  const { server, count, heldBytes } = await start(t);
  const begun = frame(TEXT, "x", false);
  for (const padding of [
    many(490, frame(PONG, Buffer.alloc(125))),
    many(1100, frame(CONTINUATION, "x", false)),
    many(1100, frame(CONTINUATION, "", false)),
    many(190, frame(PING, Buffer.alloc(125))),
  ]) {
    const { connection, close } = await upgraded(t, server);
    connection.send(begun);
    // The pings are few enough at a time: it is their bytes within one message.
    let most = 0;
    for (let i = 0; i < 20 && !connection.closed; i++) {
      connection.send(padding);
      most = Math.max(most, await heldBytes());
      await new Promise(setImmediate);
    }
    const closed = await close();
    assert.ok(closed === null || closed.code === 1008, JSON.stringify(closed));
    assert.ok(most < 600_000, `${most} bytes were held`);
    assert.equal(await heldBytes(), 0);
  }
  assert.equal((await count("message_parts")) + (await count("control_frames")), 4);
});

test("pings and pongs are answered, but not hundreds in a moment", async (t) => {
  const { clock, server, count } = await start(t);
  const { connection, settled, close } = await upgraded(t, server);
  await settled();
  for (let i = 0; i < 5; i++) {
    connection.send(many(100, i % 2 === 0 ? frame(PING) : frame(PONG)));
    await settled();
    clock.advance(10_000);
  }
  connection.send(many(150, frame(PING)));
  await settled();
  connection.send(many(150, frame(PONG)));
  assert.deepEqual(await close(), { code: 1008, reason: "more than 200 pings and pongs in 10 s" });
  assert.equal(await count("control_frames"), 1);
});

test("whoever goes on sending after a refusal is cut off at once", async (t) => {
  const { server } = await start(t);
  const { connection } = await upgraded(t, server);
  connection.send(many(300, frame(PONG)));
  for (let i = 0; !connection.closed; i++) {
    assert.ok(i < 100_000);
    connection.send(many(10, frame(TEXT, "x".repeat(1000), false)));
    await new Promise(setImmediate);
  }
});

test("unfinished messages of all sockets hold no more than there is: 1013 for whoever wants more, and for the oldest", async (t) => {
  const { clock, server, count, heldBytes } = await start(t, {
    bodyLimitBytes: 65_536,
    bodyBufferBytes: 262_144,
  });
  const piece = frame(TEXT, "x".repeat(60_000), false);
  const sockets: Awaited<ReturnType<typeof upgraded>>[] = [];
  for (let i = 0; i < 4; i++) {
    const socket = await upgraded(t, server, `192.0.2.${i}`);
    socket.connection.send(piece);
    await holding(heldBytes, (i + 1) * 60_000);
    sockets.push(socket);
  }
  const late = await upgraded(t, server, "192.0.2.50");
  late.connection.send(piece);
  assert.deepEqual(await late.close(), {
    code: 1013,
    reason: "too many bytes of unfinished messages are held",
  });
  assert.equal(await count("bodies"), 1);
  assert.ok((await heldBytes()) <= 262_144);
  clock.advance(5000);
  const next = await upgraded(t, server, "192.0.2.51");
  next.connection.send(piece);
  assert.equal((await sockets[0]!.close())?.code, 1013);
  await holding(heldBytes, 240_000);
  assert.ok(sockets.slice(1).every(({ connection }) => !connection.closed));
  assert.equal(await count("slow_body"), 1);
  for (const { connection } of [...sockets, next]) connection.destroy();
});

test("without keys a socket has to say something in time; with a key it may be silent", async (t) => {
  const open = await start(t);
  const silent = await connectSocket(t, open.server);
  const spoke = await connectSocket(t, open.server);
  await spoke.settled();
  open.clock.advance(TIMEOUT_MS);
  assert.deepEqual(await silent.closed, {
    code: 1008,
    reason: `no message came within ${TIMEOUT_MS} ms`,
  });
  await spoke.settled();
  assert.equal(await open.count("silent_websocket"), 1);

  const keyed = await start(t, { apiKeys: parseKeyList(`alice:${KEY}`) });
  const patient = await connectSocket(t, keyed.server, { headers: { "x-api-key": KEY } });
  keyed.clock.advance(10 * TIMEOUT_MS);
  await patient.settled();
});

test("frames are followed however they are cut", () => {
  const bytes = Buffer.concat([
    frame(TEXT, "hello"),
    frame(TEXT, "", false),
    frame(PING, "y".repeat(125)),
    frame(CONTINUATION, "z".repeat(70_000), false),
    frame(CONTINUATION, "z".repeat(300)),
    frame(PONG),
    frame(TEXT, ""),
  ]);
  for (const size of [1, 2, 3, 7, 64, 1000, 65_536, bytes.length]) {
    const reader = new FrameReader();
    let unfinished = 0;
    for (let at = 0; at < bytes.length; at += size) {
      reader.read(bytes.subarray(at, at + size));
      if (reader.unfinished) unfinished++;
      assert.ok(reader.fragments <= 3 && reader.overheadBytes <= 200, `${size}`);
    }
    assert.equal(reader.unfinished, false, `${size}`);
    assert.equal(reader.controlFrames, 2);
    assert.equal(reader.boundaries, 4);
    assert.ok(size === bytes.length || unfinished > 0);
  }
});
