// Requests as clients send them, over real sockets: compressed bodies, and paths that end with a slash.
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { bodyOf, INFERENCE, REASON } from "./support/openai-shapes.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { assertRefused } from "./support/refusals.ts";
import { type RunningApp, runTiny } from "./support/running-app.ts";

const LIMIT = 4096;

const PACKED: readonly (readonly [string, (body: string) => Buffer])[] = [
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["GZIP", gzipSync],
  ["deflate", deflateSync],
  ["deflate", deflateRawSync],
  ["br", brotliCompressSync],
  ["identity", Buffer.from],
];

const send = (server: RunningApp, path: string, encoding: string, body: Buffer) =>
  server.post(path, "", {
    body: new Uint8Array(body),
    headers: { "content-type": "application/json", "content-encoding": encoding },
  });

test("compressed bodies are inflated", async (t) => {
  const { server } = await runTiny(t, { config: { bodyLimitBytes: LIMIT } });
  for (const path of [...INFERENCE, "/v1/tokenize"]) {
    const body = JSON.stringify(path === "/v1/tokenize" ? { prompt: "aü" } : bodyOf(path, "{{aü}}"));
    const plain = await server.post(path, body);
    for (const [encoding, pack] of PACKED) {
      const answer = await send(server, path, encoding, pack(body));
      assert.equal(answer.status, 200, `${path} ${encoding}`);
      assert.deepEqual(answer.body.tokens, plain.body.tokens);
      assert.deepEqual(answer.body.usage?.completion_tokens, plain.body.usage?.completion_tokens);
    }
  }
});

test("a compressed body in chunks is inflated, and the connection goes on", async (t) => {
  const { server } = await runTiny(t);
  const packed = gzipSync(JSON.stringify({ question: "{{The answer is 4.}}" })).toString("latin1");
  const connection = new RawConnection(t, server.port);
  connection.send(
    `POST ${REASON} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n` +
      `transfer-encoding: chunked\r\n\r\n5\r\n${packed.slice(0, 5)}\r\n` +
      `${(packed.length - 5).toString(16)}\r\n${packed.slice(5)}\r\n0\r\n\r\n`,
  );
  await connection.until(/"answer":"4"/);
  connection.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
  await connection.until(/"status":"ok"/);
});

test("a compressed body is bounded before and after it is inflated", async (t) => {
  const { server } = await runTiny(t, { config: { bodyLimitBytes: LIMIT } });
  const bomb = JSON.stringify({ question: "x".repeat(50_000_000) });
  for (const pack of [gzipSync, brotliCompressSync] as const) {
    const packed = pack(bomb);
    const answer = await send(server, REASON, pack === gzipSync ? "gzip" : "br", packed);
    assertRefused(answer, 413, null);
    assert.match(answer.body.error.message, /bodyLimitBytes/);
  }
  const small = gzipSync(JSON.stringify({ question: "x".repeat(1_000_000) }));
  assert.ok(small.length < LIMIT);
  assertRefused(await send(server, REASON, "gzip", small), 413, null);
  assert.equal((await server.get("/health")).status, 200);
});

test("what is compressed otherwise, or not at all, is refused", async (t) => {
  const { server } = await runTiny(t);
  const body = JSON.stringify(bodyOf(REASON, "{{a}}"));
  for (const encoding of ["zstd", "compress", "gzip, br", "utf-8"]) {
    const answer = await send(server, REASON, encoding, Buffer.from(body));
    assertRefused(answer, 415, null);
    assert.equal(answer.headers.get("accept-encoding"), "gzip, deflate, br");
    assert.match(answer.body.error.message, /content-encoding/);
  }
  for (const encoding of ["gzip", "deflate", "br"]) {
    for (const wrong of [Buffer.from(body), Buffer.alloc(0), gzipSync(body).subarray(0, 30)]) {
      assertRefused(await send(server, REASON, encoding, wrong), 400, null);
    }
  }
});

test("a path may end with a slash", async (t) => {
  const { server } = await runTiny(t);
  for (const path of INFERENCE) {
    assert.equal((await server.post(`${path}/`, bodyOf(path, "{{a}}"))).status, 200, path);
  }
  const paths = [
    "/health",
    "/ready",
    "/metrics",
    "/v1/models",
    "/v1/models/tiny",
    "/v1/baselines",
    "/openapi.json",
  ];
  for (const path of [...paths, "/docs"]) {
    for (const end of ["", "/", "/?x=1"]) {
      assert.equal((await server.get(path + end)).status, 200, path + end);
    }
  }
  assert.equal((await server.get("/")).body.name, "magdi");
  // The page's addresses are relative to /docs.
  assert.ok((await fetch(`${server.url}/docs/`)).url.endsWith("/docs"));
  for (const path of ["/v1/models//", "/v1/nothing/"]) {
    assert.equal((await server.get(path)).status, 404, path);
  }
  const connection = new RawConnection(t, server.port);
  connection.send(
    "GET /v1/reason/ws/ HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
      "sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
  );
  await connection.until(/^HTTP\/1\.1 101 /);
});
