// Bytes that no HTTP library would send: each is answered by an error or a close, and leaves nothing behind.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { RawConnection } from "./support/raw-connection.ts";
import { type RunningApp, runTiny } from "./support/running-app.ts";
import type { TinyStudent } from "./support/tiny-student.ts";
import { until } from "./support/until.ts";

const QUESTION = JSON.stringify({ question: "How many? {{The answer is 4.}}", max_tokens: 30 });
const HEALTH = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";

/** A POST with its body and headers as they are given. */
const post = (body: string, headers = `content-length: ${body.length}`) =>
  `POST /v1/reason HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers}\r\n\r\n${body}`;

const statuses = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

async function assertUnharmed(server: RunningApp, student: TinyStudent): Promise<void> {
  await until(() => server.app.lifecycle.active === 0 && student.engine.stats().samplesRunning === 0);
  assert.equal((await server.get("/health")).status, 200);
  for (const gauge of ["requests_running", "requests_waiting", "samples_running", "kv_cache_usage_ratio"]) {
    assert.equal(await server.metric(`magdi_${gauge}`), 0, gauge);
  }
  assert.equal(await server.metric('magdi_request_failures_total{reason="internal"}'), 0);
}

/** Resolves when no connection is open but those that `fetch` keeps, which are closed for it. */
async function assertNoConnections(server: RunningApp): Promise<void> {
  const open = () =>
    new Promise<number>((resolve, reject) =>
      server.app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  server.app.server.closeIdleConnections();
  while ((await open()) > 0) await new Promise(setImmediate);
}

/** Sends `bytes` on a connection of their own, and gives what comes back until the server ends it. */
async function exchange(t: TestContext, server: RunningApp, bytes: string | Buffer): Promise<string> {
  const connection = new RawConnection(t, server.port);
  connection.send(bytes);
  const received = await connection.over();
  connection.destroy();
  return received;
}

/** A 4xx or nothing at all, in the error shape, without words of the inside. */
function assertRefused(received: string, what: string): void {
  assert.doesNotMatch(received, /node_modules|\.ts\b| {4}at |HPE_|ERR_|FST_/, what);
  assert.ok(received.length < 32_768, what);
  if (received === "") return;
  const found = statuses(received);
  assert.ok(found.length > 0, `${what}: ${received.slice(0, 100)}`);
  assert.ok(found.at(-1)! >= 400 && found.at(-1)! < 500, `${what}: ${found}`);
  assert.match(received, /x-request-id: /i, what);
  assert.match(received, /\{"error":\{/, what);
}

const long = (chars: number) => "y".repeat(chars);
const many = (count: number) => Array.from({ length: count }, (_, i) => `x${i}: y\r\n`).join("");

const BROKEN: Readonly<Record<string, string | Buffer>> = {
  "no HTTP": "BLAH\r\n\r\n",
  "HTTP/0.9": "GET /health\r\n\r\n",
  "HTTP/3.7": "GET /health HTTP/3.7\r\nhost: x\r\n\r\n",
  "HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "a TLS hello": Buffer.from("16030100c8010000c40303", "hex"),
  "random bytes": Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919 + 13) % 256)),
  "null bytes": Buffer.alloc(2048),
  "a null byte in the path": "GET /health\0 HTTP/1.1\r\nhost: x\r\n\r\n",
  "a null byte in a header": "GET /health HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
  "a header without a colon": "GET /health HTTP/1.1\r\nhost: x\r\nnonsense\r\n\r\n",
  "a space before a colon": "GET /health HTTP/1.1\r\nhost : x\r\n\r\n",
  "a folded header": "GET /health HTTP/1.1\r\nhost: x\r\nx: a\r\n b: c\r\n\r\n",
  "a header of 1 MB": `GET /health HTTP/1.1\r\nhost: x\r\nx: ${long(1_048_576)}\r\n\r\n`,
  "a header name of 1 MB": `GET /health HTTP/1.1\r\nhost: x\r\n${long(1_048_576)}: x\r\n\r\n`,
  "thousands of headers": `GET /health HTTP/1.1\r\nhost: x\r\n${many(5000)}\r\n`,
  "a URL of 1 MB": `GET /${long(1_048_576)} HTTP/1.1\r\nhost: x\r\n\r\n`,
  "a content-length that is no number": post("{}", "content-length: abc"),
  "a negative content-length": post("{}", "content-length: -2"),
  "a content-length beyond counting": post("{}", `content-length: ${"9".repeat(40)}`),
  "two content-lengths": post("{}", "content-length: 2\r\ncontent-length: 3"),
  "a list of content-lengths": post("{}", "content-length: 2, 3"),
  "a content-length with a sign": post("{}", "content-length: +2"),
  "content-length and chunked": post("0\r\n\r\n", "content-length: 5\r\ntransfer-encoding: chunked"),
  "chunked and content-length": post(
    "0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "transfer-encoding: chunked\r\ncontent-length: 3",
  ),
  "chunked that is not last": post("0\r\n\r\n", "transfer-encoding: chunked, gzip"),
  "chunked twice": post("0\r\n\r\n", "transfer-encoding: chunked\r\ntransfer-encoding: identity"),
  "another transfer coding": post("0\r\n\r\n", "transfer-encoding: xchunked"),
  "a chunk size that is no number": post("zz\r\n{}\r\n0\r\n\r\n", "transfer-encoding: chunked"),
  "a chunk size beyond counting": post("fffffffffffffffff\r\n{}", "transfer-encoding: chunked"),
  "a chunk longer than its size": post("1\r\n{}\r\n0\r\n\r\n", "transfer-encoding: chunked"),
  "chunk extensions without end": post(`2;${long(200_000)}`, "transfer-encoding: chunked"),
  CONNECT: "CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n",
};

test("what is no HTTP is answered by an error or a close", async (t) => {
  const { server, student } = await runTiny(t);
  for (const [what, bytes] of Object.entries(BROKEN)) {
    assertRefused(await exchange(t, server, bytes), what);
  }
  await assertUnharmed(server, student);
  await assertNoConnections(server);
});

test("a head that is out of proportion is refused by status, and the connection goes on where it can", async (t) => {
  const { server, student } = await runTiny(t);
  const cases: [string, number][] = [
    [`GET /health HTTP/1.1\r\nhost: x\r\n${many(300)}\r\n`, 431],
    [`GET /${long(5000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 414],
    ["GET /health HTTP/1.1\r\n\r\n", 400],
    ["GET /health HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400],
    ["GET /v1/models/%zz HTTP/1.1\r\nhost: x\r\n\r\n", 400],
    ["TRACE /health HTTP/1.1\r\nhost: x\r\n\r\n", 405],
    ["PROPFIND / HTTP/1.1\r\nhost: x\r\n\r\n", 405],
    ["OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", 404],
    ["GET http://elsewhere.example/v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n", 404],
  ];
  for (const [bytes, status] of cases) {
    const connection = new RawConnection(t, server.port);
    connection.send(bytes + HEALTH);
    await connection.until(/"status":"ok"/);
    assert.deepEqual(statuses(connection.received), [status, 200], bytes.slice(0, 60));
    connection.destroy();
  }
  await assertUnharmed(server, student);
  await assertNoConnections(server);
});

test("a path that looks like a pattern is a path like any other, and a wrong method is told the right one", async (t) => {
  const { server, student } = await runTiny(t);
  const cases: [string, number, string | null][] = [
    ["GET /*x", 404, null],
    ["GET /v1/*/x", 404, null],
    ["POST /v1/:a(", 404, null],
    ["POST /v1/models/", 404, null],
    ["POST /v1/models/abc/def", 404, null],
    ["POST /v1/models/abc", 405, "GET"],
    ["POST /v1/models/:id", 405, "GET"],
    ["POST /v1/models?x", 405, "GET"],
    ["GET /v1/reason", 405, "POST"],
  ];
  for (const [line, status, allow] of cases) {
    const connection = new RawConnection(t, server.port);
    connection.send(`${line} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await connection.until(/"error"/);
    assert.deepEqual(statuses(connection.received), [status], line);
    assert.equal(/^allow: (.*)\r$/m.exec(connection.received)?.[1] ?? null, allow, line);
    connection.destroy();
  }
  await assertUnharmed(server, student);
});

test("the absolute form names a path of ours, and upgrades to anything else are ignored", async (t) => {
  const { server, student } = await runTiny(t);
  const upgrade = (to: string) =>
    `connection: upgrade\r\nupgrade: ${to}\r\ncontent-length: ${QUESTION.length}`;
  for (const [bytes, answer] of [
    ["GET http://elsewhere.example/health HTTP/1.1\r\nhost: x\r\n\r\n", /"status":"ok"/],
    [
      `GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n\r\n`,
      /"ok"/,
    ],
    [`GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`, /"ok"/],
    [post(QUESTION, upgrade("h2c")), /"answer":"4"/],
    [post(QUESTION, upgrade("websocket")), /"answer":"4"/],
  ] as const) {
    const connection = new RawConnection(t, server.port);
    connection.send(bytes);
    await connection.until(answer);
    assert.deepEqual(statuses(connection.received), [200]);
    connection.destroy();
  }
  await assertUnharmed(server, student);
});

test("a request that stays half-sent, and silence, are ended in bounded time", async (t) => {
  const { server, student } = await runTiny(t, { config: { receiveTimeoutMs: 200 } });
  const halves = {
    silence: "",
    "half a request line": "GET /hea",
    "half a head": "GET /health HTTP/1.1\r\nhost: x\r\nx-h",
    "half a body": post('{"question": ', "content-length: 900"),
    "half a chunk": post("ff\r\n{", "transfer-encoding: chunked"),
    "a body announced and not sent": post("", "content-length: 20"),
  };
  const received = await Promise.all(
    Object.entries(halves).map(async ([what, bytes]) => [what, await exchange(t, server, bytes)] as const),
  );
  for (const [what, text] of received) {
    assertRefused(text, what);
    assert.deepEqual(statuses(text), [408], what);
  }
  await assertUnharmed(server, student);
  await assertNoConnections(server);
});

test("a client that ends or cuts a half-sent request leaves nothing", async (t) => {
  const { server, student } = await runTiny(t);
  for (const half of [
    "GET /hea",
    post('{"question": ', "content-length: 900"),
    post("ff\r\n{", "transfer-encoding: chunked"),
  ]) {
    const ending = new RawConnection(t, server.port);
    ending.send(half);
    ending.end();
    assertRefused(await ending.over(), half);
    ending.destroy();
    const cutting = new RawConnection(t, server.port);
    cutting.send(half);
    await until(() => server.app.server.listening);
    cutting.destroy();
  }
  await assertUnharmed(server, student);
  await assertNoConnections(server);
});

test("pipelined requests are answered in order, and garbage after them does not spoil their answers", async (t) => {
  const { server, student } = await runTiny(t);
  const pipelined = new RawConnection(t, server.port);
  pipelined.send(
    `${HEALTH}${post(QUESTION)}GET /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n${post("{")}${HEALTH}`,
  );
  await pipelined.until(/"status":"ok"[\s\S]*"status":"ok"/);
  assert.deepEqual(statuses(pipelined.received), [200, 200, 404, 400, 200]);
  pipelined.destroy();

  const spoilt = await exchange(t, server, `${HEALTH}${post(QUESTION)}\0\0garbage`);
  assert.deepEqual(statuses(spoilt), [200, 200, 400]);
  assert.match(spoilt, /"answer":"4"/);
  await assertUnharmed(server, student);
  await assertNoConnections(server);
});

test("garbage during a stream is answered after it, never within", async (t) => {
  const { server, student } = await runTiny(t);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const connection = new RawConnection(t, server.port);
  const body = JSON.stringify({ ...JSON.parse(QUESTION), stream: true });
  connection.send(post(body));
  await held;
  connection.send(`garbage\r\n\r\n${long(100_000)}`);
  release();
  const received = await connection.over();
  const [stream = "", rest = ""] = received.split("data: [DONE]");
  assert.match(stream, /event: result/);
  assert.deepEqual(statuses(stream), [200]);
  assert.deepEqual(statuses(rest), [400]);
  connection.destroy();
  await assertUnharmed(server, student);
  await assertNoConnections(server);
});

test("a request hidden in another's body is not served", async (t) => {
  const { server, student } = await runTiny(t);
  const hidden = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
  const bodies = [
    post(`0\r\n\r\n${hidden}`, `content-length: ${hidden.length + 5}\r\ntransfer-encoding: chunked`),
    post(`0\r\n\r\n${hidden}`, `transfer-encoding: chunked\r\ncontent-length: 5`),
    post(`0\r\n\r\n${hidden}`, "transfer-encoding : chunked"),
    post(`0\r\n\r\n${hidden}`, "transfer-encoding:\tidentity, chunked\r\ncontent-length: 5"),
    post(`0\n\n${hidden}`, "transfer-encoding: chunked"),
  ];
  for (const bytes of bodies) {
    const received = await exchange(t, server, bytes);
    assertRefused(received, bytes);
    assert.doesNotMatch(received, /"object":"list"/);
  }
  await assertUnharmed(server, student);
  await assertNoConnections(server);
});

test("a body is asked for only when it will be read", async (t) => {
  const { server, student } = await runTiny(t, { config: { bodyLimitBytes: 4096 } });
  const head = (length: number) => post("", `content-length: ${length}\r\nexpect: 100-continue`);
  const fits = new RawConnection(t, server.port);
  fits.send(head(QUESTION.length));
  await fits.until(/100 Continue/);
  fits.send(QUESTION);
  await fits.until(/"answer":"4"/);
  assert.deepEqual(statuses(fits.received), [100, 200]);
  fits.destroy();
  const refused = new RawConnection(t, server.port);
  refused.send(head(5000));
  await refused.until(/"error"/);
  assert.deepEqual(statuses(refused.received), [413]);
  refused.destroy();
  const other = new RawConnection(t, server.port);
  other.send(post(QUESTION, `content-length: ${QUESTION.length}\r\nexpect: a-pony`));
  await other.until(/"answer":"4"/);
  other.destroy();
  await assertUnharmed(server, student);
});

test("behaviour 20: a client that sends far more than the limit still reads its 413", async (t) => {
  const { server, student } = await runTiny(t, { config: { bodyLimitBytes: 1024 } });
  for (let i = 0; i < 5; i++) {
    const answer = await server.post("/v1/reason", { question: "x".repeat(5_000_000) });
    assert.equal(answer.status, 413);
  }
  const chunked = new RawConnection(t, server.port);
  chunked.send(post("", "transfer-encoding: chunked"));
  for (let i = 0; i < 40; i++) chunked.send(`1000\r\n${long(4096)}\r\n`);
  await chunked.until(/HTTP\/1\.1 413 /);
  chunked.destroy();
  await assertUnharmed(server, student);
  await assertNoConnections(server);
});

test("requests with bytes changed, lost, doubled and swapped never fail inside, and leave nothing", async (t) => {
  const { server, student } = await runTiny(t);
  const seeds = [
    `${HEALTH}${post(QUESTION)}`,
    post('19\r\n{"question": "Why? {{x}}"}\r\n0\r\n\r\n', "transfer-encoding: chunked"),
    post(JSON.stringify({ ...JSON.parse(QUESTION), stream: true, samples: 3 })),
    "GET /v1/reason/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
      "sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n\x81\x85abcdefghi",
  ];
  const random = seededRandom(7);
  for (let i = 0; i < 200; i++) {
    const bytes = mutated(Buffer.from(seeds[i % seeds.length]!, "latin1"), random);
    const connection = new RawConnection(t, server.port);
    connection.send(bytes);
    connection.end();
    const received = await connection.over();
    connection.destroy();
    for (const status of statuses(received))
      assert.ok(status < 500, `${status} for ${bytes.toString("latin1")}`);
  }
  await assertUnharmed(server, student);
  await assertNoConnections(server);
});

/** Numbers from 0 to below `below`, the same for the same seed (mulberry32). */
function seededRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function mutated(bytes: Buffer, random: (below: number) => number): Buffer {
  let result = bytes;
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = random(result.length);
    const length = 1 + random(12);
    const piece = result.subarray(at, at + length);
    const before = result.subarray(0, at);
    const after = result.subarray(at + piece.length);
    switch (random(4)) {
      case 0:
        result = Buffer.concat([before, Buffer.from([random(256)]), after]);
        break;
      case 1:
        result = Buffer.concat([before, after, Buffer.from("\n")]);
        break;
      case 2:
        result = Buffer.concat([before, piece, piece, after]);
        break;
      default:
        result = Buffer.concat([after, piece, before]);
    }
  }
  return result;
}

test("a server that closes does not wait for what is half-sent", async (t) => {
  const { server } = await runTiny(t);
  for (const half of ["", "GET /hea", post('{"question": ', "content-length: 900")]) {
    new RawConnection(t, server.port).send(half);
  }
  const answered = new RawConnection(t, server.port);
  answered.send(HEALTH);
  await answered.until(/"ok"/);
  await server.app.close();
});
