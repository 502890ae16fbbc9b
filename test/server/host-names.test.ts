// DNS rebinding: which host names a server answers under, over real sockets.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { buildApp } from "../../src/server/app.ts";
import { loadConfig, type ServerConfig } from "../../src/server/config.ts";
import { Metrics } from "../../src/server/observation/metrics.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { tinyStudent } from "./support/tiny-student.ts";

const KEY = "a-key-of-enough-characters";
const UPGRADE =
  "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
const PATHS = ["/health", "/ready", "/metrics", "/v1/models", "/", "/openapi.json", "/v1/nothing"];

async function listen(t: TestContext, config: Partial<ServerConfig>, host = "127.0.0.1"): Promise<number> {
  const app = buildApp({
    student: tinyStudent(),
    config: { ...loadConfig(), ...config },
    metrics: new Metrics({ processMetrics: false }),
  });
  await app.listen({ port: 0, host });
  t.after(() => app.close());
  const address = app.server.address();
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

async function answer(t: TestContext, port: number, request: string): Promise<string> {
  const connection = new RawConnection(t, port);
  connection.send(request);
  await connection.until(/\r\n\r\n/);
  if (/content-length: [1-9]/i.test(connection.received)) await connection.until(/\r\n\r\n./);
  connection.destroy();
  return connection.received;
}

const status = async (t: TestContext, port: number, host: string, more = "", path = "/health") =>
  Number((await answer(t, port, `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${more}\r\n`)).slice(9, 12));

const upgraded = (t: TestContext, port: number, host: string, more = "") =>
  status(t, port, host, `${UPGRADE}origin: http://${host}\r\n${more}`, "/v1/reason/ws");

test("DNS rebinding: without keys on a loopback address only its own names are answered", async (t) => {
  const port = await listen(t, {});
  for (const name of ["localhost", "LocalHost", "127.0.0.1", "[::1]", "localhost.", "127.0.0.2"]) {
    for (const host of [name, `${name}:${port}`, `${name}:1`]) {
      assert.equal(await status(t, port, host), 200, host);
    }
  }
  assert.equal(await upgraded(t, port, `localhost:${port}`), 101);
  const strangers = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "a@localhost",
    "10.0.0.1",
    "x",
  ];
  for (const name of [
    ...strangers,
    "[fe80::1]",
    "evil.example.",
    "localhost evil",
    "2130706433",
    "0.0.0.0",
  ]) {
    assert.equal(await status(t, port, name), 403, name);
    assert.equal(await status(t, port, `${name}:${port}`), 403, name);
    assert.equal(await upgraded(t, port, `${name}:${port}`), 403, name);
  }
  for (const path of PATHS) assert.equal(await status(t, port, "evil.example", "", path), 403, path);
  const body = '{"question": "{{a}}"}';
  const head = `content-type: application/json\r\ncontent-length: ${body.length}`;
  const refused = await answer(
    t,
    port,
    `POST /v1/reason HTTP/1.1\r\nhost: evil.example\r\n${head}\r\n\r\n${body}`,
  );
  assert.match(refused, /^HTTP\/1\.1 403 [\s\S]*"code":"forbidden_host"/);
  assert.match(refused, /"message":".*evil\.example.*add the name to allowedHosts/);
  assert.match(refused, /x-request-id: /i);
  // Only browsers are rebound, and they send a host.
  assert.match(await answer(t, port, "GET /health HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 /);
});

test("DNS rebinding: a forwarded host, which a page can send, changes nothing", async (t) => {
  const port = await listen(t, { trustProxy: ["127.0.0.1"] });
  assert.equal(await status(t, port, "evil.example", "x-forwarded-host: localhost\r\n"), 403);
  assert.equal(await status(t, port, "localhost", "x-forwarded-host: magdi.example.org\r\n"), 200);
});

test("DNS rebinding: the setting's names are answered too", async (t) => {
  const port = await listen(t, {
    host: "magdi.test",
    allowedHosts: ["Magdi.example.org", "other.example:8443"],
  });
  for (const [host, expected] of [
    ["magdi.example.org", 200],
    ["magdi.example.org:8080", 200],
    ["other.example:8443", 200],
    ["other.example", 403],
    ["magdi.test", 200],
    ["localhost", 200],
    ["evil.example", 403],
  ] as const) {
    assert.equal(await status(t, port, host), expected, host);
  }
  assert.equal(await upgraded(t, port, "magdi.example.org"), 101);
  const any = await listen(t, { allowedHosts: ["*"] });
  assert.equal(await status(t, any, "evil.example"), 200);
});

test("DNS rebinding: with keys every name is answered to who has one", async (t) => {
  const port = await listen(t, { apiKeys: parseKeyList(`me:${KEY}`) });
  const key = `authorization: Bearer ${KEY}\r\n`;
  assert.equal(await status(t, port, "magdi.example.org", key, "/v1/models"), 200);
  assert.equal(await upgraded(t, port, "magdi.example.org", key), 101);
  assert.equal(await status(t, port, "magdi.example.org", "", "/v1/models"), 401);
});

test("DNS rebinding: on other addresses proxies and networks name the server, unless the setting does", async (t) => {
  const open = await listen(t, {}, "0.0.0.0");
  for (const host of ["magdi.example.org", "magdi:8080", "10.1.2.3", "localhost"]) {
    assert.equal(await status(t, open, host), 200, host);
  }
  assert.equal(await upgraded(t, open, "magdi.example.org"), 101);
  const named = await listen(t, { allowedHosts: ["magdi"] }, "0.0.0.0");
  for (const [host, expected] of [
    ["magdi:8080", 200],
    ["localhost", 200],
    ["10.1.2.3:8080", 200],
    ["[2001:db8::1]", 200],
    ["evil.example", 403],
  ] as const) {
    assert.equal(await status(t, named, host), expected, host);
  }
});
