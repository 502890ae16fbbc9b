// Who is let in, and what is told to the rest: API keys on every route, over real sockets.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { buildApp } from "../../src/server/app.ts";
import { loadConfig, type ServerConfig } from "../../src/server/config.ts";
import { Metrics } from "../../src/server/observation/metrics.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { tinyStudent } from "./support/tiny-student.ts";

const KEY = "alices-secret-0123456789";
const OTHER_KEY = "bobs-secret-0123456789";
const ORIGIN = "https://app.example";
const QUESTION = JSON.stringify({ question: "How many? {{The answer is 4.}}", max_tokens: 30 });
const JSON_TYPE = { "content-type": "application/json" };

interface Route {
  readonly method: string;
  readonly url: string;
}

/** An app with keys, on a port of its own until the test ends, and all its routes. */
async function runWithKeys(t: TestContext, config: Partial<ServerConfig> = {}) {
  const student = tinyStudent();
  const metrics = new Metrics({ processMetrics: false });
  const apiKeys = parseKeyList(`alice:${KEY},bob:${OTHER_KEY}`);
  const app = buildApp({ student, metrics, config: { ...loadConfig(), apiKeys, ...config } });
  const routes: Route[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    for (const name of [method].flat()) routes.push({ method: name, url });
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  t.after(() => app.close());
  // A listening TCP server's address is an object.
  const { port } = app.server.address() as AddressInfo;
  return { app, routes, port, url: `http://127.0.0.1:${port}`, student, metrics };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const base64 = (text: string) => Buffer.from(text).toString("base64");
const login = (key: string, user = "reader") => ({ authorization: `Basic ${base64(`${user}:${key}`)}` });

const BEARER = 'Bearer realm="magdi"';
/** Accept, as browsers send it when they open a page. */
const PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async function assertUnauthenticated(response: Response, where: string) {
  assert.equal(response.status, 401, where);
  assert.equal(response.headers.get("www-authenticate"), BEARER, where);
  assert.ok(response.headers.get("x-request-id"), where);
  const text = await response.text();
  if (text === "") return; // HEAD
  const { error } = JSON.parse(text);
  assert.deepEqual(
    [error.type, error.code, error.param],
    ["authentication_error", "invalid_api_key", null],
    where,
  );
  assert.doesNotMatch(text, /secret/);
}

test("behaviours 22 and 23: no key and a wrong key are 401 on every route but the probes", async (t) => {
  const { routes, url } = await runWithKeys(t);
  assert.ok(routes.length > 20, `expected all routes, found ${routes.length}`);
  const isOpen = (path: string) => path === "/health" || path === "/ready";
  const methods = new Set(["GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"]);
  for (const path of new Set(routes.map((route) => route.url.replace(/:\w+/g, "tiny").replace("*", "x")))) {
    for (const method of new Set([
      ...methods,
      ...routes.filter((r) => r.url === path).map((r) => r.method),
    ])) {
      const open = isOpen(path) && (method === "GET" || method === "HEAD");
      const body = method === "POST" ? { body: QUESTION } : {};
      for (const headers of [
        {},
        bearer("no-such-key-0123456789"),
        { "x-api-key": KEY.slice(1) },
        bearer("alice"),
        login("no-such-key-0123456789"),
        login("alice", KEY),
      ]) {
        const response = await fetch(url + path, { method, headers: { ...JSON_TYPE, ...headers }, ...body });
        if (open) {
          assert.equal(response.status, 200, `${method} ${path}`);
          assert.doesNotMatch(await response.text(), /tiny|alice/, `${method} ${path}`);
        } else await assertUnauthenticated(response, `${method} ${path}`);
      }
    }
  }
});

test("behaviour 22: without a key nothing is learnt of routes, methods, bodies or models", async (t) => {
  const { url, student } = await runWithKeys(t);
  const cases: [string, RequestInit][] = [
    ["/v1/nothing", {}],
    ["/v1/models/%ff", {}],
    [`/v1/models/${"m".repeat(300)}`, {}],
    ["/v1/reason", { method: "DELETE" }],
    ["/v1/reason", { method: "POST", body: "{", headers: JSON_TYPE }],
    ["/v1/reason", { method: "POST", body: "x", headers: { "content-type": "text/plain" } }],
    [
      "/v1/reason",
      { method: "POST", body: JSON.stringify({ question: "x".repeat(2_000_000) }), headers: JSON_TYPE },
    ],
    ["/v1/chat/completions", { method: "POST", body: '{"model": "gpt-9"}', headers: JSON_TYPE }],
    ["/health/", {}],
    ["//health", {}],
    ["/HEALTH", {}],
    ["/health%2f..%2fmetrics", {}],
    ["/ready?x=/metrics", { method: "POST" }],
  ];
  for (const [path, init] of cases) await assertUnauthenticated(await fetch(url + path, init), path);
  assert.equal(student.runner.prefillSteps, 0);
  assert.equal((await fetch(`${url}/v1/models/%ff`, { headers: bearer(KEY) })).status, 400);
  assert.equal((await fetch(`${url}/v1/nothing`, { headers: bearer(KEY) })).status, 404);
});

test("behaviour 22: 401 comes before the body is read, and none is asked for", async (t) => {
  const { port } = await runWithKeys(t);
  const asked = new RawConnection(t, port);
  asked.send(
    "POST /v1/reason HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n" +
      "expect: 100-continue\r\n\r\n",
  );
  await asked.until(/"invalid_api_key"/);
  assert.match(asked.received, /^HTTP\/1\.1 401 /);
  const silent = new RawConnection(t, port);
  silent.send(
    "POST /v1/reason HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{",
  );
  await silent.until(/"invalid_api_key"/);
});

test("behaviours 22 and 23: a right key opens, in each place that it may be in", async (t) => {
  const { url, metrics } = await runWithKeys(t);
  const answers: string[] = [];
  for (const headers of [
    bearer(KEY),
    { authorization: `bearer ${OTHER_KEY}` },
    { "x-api-key": KEY },
    login(KEY),
    login(OTHER_KEY, ""),
  ]) {
    const response = await fetch(`${url}/v1/reason`, {
      method: "POST",
      headers: { ...JSON_TYPE, ...headers },
      body: QUESTION,
    });
    assert.equal(response.status, 200);
    answers.push(((await response.json()) as { answer: string }).answer);
    assert.equal((await fetch(`${url}/metrics`, { headers })).status, 200);
    assert.equal((await fetch(`${url}/v1/models`, { headers })).status, 200);
  }
  assert.deepEqual(answers, ["4", "4", "4", "4", "4"]);
  await fetch(`${url}/v1/reason`, { method: "POST", headers: JSON_TYPE, body: QUESTION });
  assert.match(
    await metrics.registry.metrics(),
    /magdi_request_failures_total\{reason="unauthenticated"\} 1\n/,
  );
});

test("behaviour 22: a WebSocket opens with a key as header or as subprotocol, which is not repeated", async (t) => {
  const { port } = await runWithKeys(t);
  const url = `ws://127.0.0.1:${port}/v1/reason/ws`;
  const protocolOf = (key: string) => ["magdi", `magdi.key.${Buffer.from(key).toString("base64url")}`];
  for (const [protocols, headers] of [
    [[], bearer(KEY)],
    [[], { "x-api-key": KEY }],
    [[], login(KEY)],
    [protocolOf(KEY), {}],
    // What the page presents goes before what its browser was given when the page was opened.
    [protocolOf(KEY), login(KEY.slice(1))],
  ] as const) {
    const socket = new WebSocket(url, [...protocols], { headers });
    await once(socket, "open");
    assert.equal(socket.protocol, protocols.length === 0 ? "" : "magdi");
    socket.close();
    await once(socket, "close");
  }
  for (const [protocols, headers] of [
    [[], {}],
    [[], bearer(KEY.slice(1))],
    [[], login(KEY.slice(1))],
    [protocolOf(KEY.slice(1)), {}],
    [protocolOf(KEY.slice(1)), login(KEY)],
    [["magdi", "magdi.key.%%%"], {}],
  ] as const) {
    const socket = new WebSocket(url, [...protocols], { headers });
    const [error] = await once(socket, "error");
    assert.match(String(error), /401|subprotocol/);
    socket.terminate();
  }
});

test("behaviour 24: a preflight of a listed origin passes without a key, and answers carry CORS", async (t) => {
  const { url } = await runWithKeys(t, { corsOrigins: [ORIGIN] });
  const preflight = (origin: string) =>
    fetch(`${url}/v1/reason`, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
  const listed = await preflight(ORIGIN);
  assert.equal(listed.status, 204);
  assert.equal(listed.headers.get("access-control-allow-origin"), ORIGIN);
  assert.match(listed.headers.get("access-control-allow-methods") ?? "", /POST/);
  assert.match(listed.headers.get("access-control-allow-headers") ?? "", /authorization/);
  const stranger = await preflight("https://evil.example");
  assert.equal(stranger.headers.get("access-control-allow-origin"), null);
  // The key is still needed for the request itself, and its 401 can be read by the page.
  const refused = await fetch(`${url}/v1/reason`, {
    method: "POST",
    headers: { ...JSON_TYPE, origin: ORIGIN },
  });
  assert.equal(refused.headers.get("access-control-allow-origin"), ORIGIN);
  await assertUnauthenticated(refused, "POST with origin");
  const answered = await fetch(`${url}/v1/models`, { headers: { ...bearer(KEY), origin: ORIGIN } });
  assert.equal(answered.status, 200);
  assert.equal(answered.headers.get("access-control-allow-origin"), ORIGIN);
  assert.match(answered.headers.get("access-control-expose-headers") ?? "", /x-request-id/);
  // An OPTIONS that is no preflight is a request like any other.
  await assertUnauthenticated(await fetch(`${url}/v1/reason`, { method: "OPTIONS" }), "plain OPTIONS");
  const plain = await fetch(`${url}/v1/reason`, { method: "OPTIONS", headers: bearer(KEY) });
  assert.equal(plain.status, 405);
});

test("behaviour 24: without origins listed, no page of another origin is let in", async (t) => {
  const { url } = await runWithKeys(t);
  const headers = { origin: ORIGIN, "access-control-request-method": "POST" };
  const preflight = await fetch(`${url}/v1/reason`, { method: "OPTIONS", headers });
  assert.equal(preflight.status, 401);
  assert.equal(preflight.headers.get("access-control-allow-origin"), null);
});

test("a page of another origin opens no WebSocket, with or without keys set", async (t) => {
  for (const config of [{}, { apiKeys: null }]) {
    const { port, url } = await runWithKeys(t, { ...config, corsOrigins: [ORIGIN] });
    const open = (origin: string) =>
      new WebSocket(`ws://127.0.0.1:${port}/v1/reason/ws`, { origin, headers: bearer(KEY) });
    const [error] = await once(open("https://evil.example"), "error");
    assert.match(String(error), /403/);
    for (const origin of [ORIGIN, url]) {
      const socket = open(origin);
      await once(socket, "open");
      socket.terminate();
    }
  }
});

test("behaviour 22: a login that is none is 401 in the usual shape", async (t) => {
  const { url } = await runWithKeys(t);
  for (const authorization of [
    "Basic",
    "Basic ",
    "Basic ====",
    "Basic %%%",
    `Basic ${KEY}`,
    `Basic ${base64(KEY)}`,
    `Basic ${base64("reader:")}`,
    `Basic ${base64(`reader:${KEY}\n`)}`,
    `Basic ${base64(`reader:${KEY}`)} x`,
    `Basic ${base64(`reader:${KEY}`)}, Bearer x`,
    `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0xc3, 0x28]).toString("base64")}`,
    `Basic ${"A".repeat(12_000)}`,
    `Digest ${base64(`reader:${KEY}`)}`,
  ]) {
    await assertUnauthenticated(await fetch(`${url}/metrics`, { headers: { authorization } }), authorization);
  }
  const spaced = { authorization: `basic  ${base64(`a b:${KEY}`)} ` };
  assert.equal((await fetch(`${url}/metrics`, { headers: spaced })).status, 200);
});

test("behaviour 22: only a browser that opens a page is asked to log in", async (t) => {
  const { url } = await runWithKeys(t);
  const asked = `Basic realm="magdi", charset="UTF-8", ${BEARER}`;
  for (const [accept, expected] of [
    [PAGE, asked],
    ["text/html", asked],
    ["*/*", BEARER],
    ["text/*", BEARER],
    ["text/css,*/*;q=0.1", BEARER],
    ["application/json", BEARER],
    ["application/json, text/html;q=0.5", BEARER],
    ["text/html;q=0", BEARER],
    ["text/event-stream", BEARER],
  ] as const) {
    for (const path of ["/", "/docs", "/playground/ask.js", "/v1/models", "/v1/nothing", "/v1/models/%ff"]) {
      for (const headers of [{}, login(KEY.slice(1))]) {
        const response = await fetch(url + path, { headers: { accept, ...headers } });
        const where = `${path} ${accept}`;
        assert.equal(response.status, 401, where);
        assert.equal(response.headers.get("www-authenticate"), expected, where);
        assert.match(response.headers.get("content-type") ?? "", /^application\/json/, where);
        assert.equal(response.headers.get("etag"), null, where);
        const text = await response.text();
        assert.ok(text.length < 300 && !/[<>]/.test(text), where);
      }
    }
  }
  // Two challenges are two lines: not every browser takes one with a comma apart.
  const raw = new RawConnection(t, Number(new URL(url).port));
  raw.send(`GET / HTTP/1.1\r\nhost: x\r\naccept: ${PAGE}\r\n\r\n`);
  await raw.until(/"invalid_api_key"/);
  assert.equal(raw.received.match(/^www-authenticate: /gim)?.length, 2);
});

test("behaviour 22: a login is of no use to pages of other origins, which do not know it", async (t) => {
  const { port, url } = await runWithKeys(t, { corsOrigins: ["*"] });
  const stranger = "https://evil.example";
  const open = (origin: string, key: string | null) => {
    const protocols = key === null ? [] : ["magdi", `magdi.key.${Buffer.from(key).toString("base64url")}`];
    return new WebSocket(`ws://127.0.0.1:${port}/v1/reason/ws`, protocols, { origin, headers: login(KEY) });
  };
  const [error] = await once(open(stranger, null), "error");
  assert.match(String(error), /401/);
  for (const [origin, key] of [
    [url, null],
    [stranger, OTHER_KEY],
  ] as const) {
    const socket = open(origin, key);
    await once(socket, "open");
    socket.terminate();
  }
  // A form or a script can send these elsewhere without a preflight; none of them is read.
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    null,
  ]) {
    const response = await fetch(`${url}/v1/reason`, {
      method: "POST",
      headers: { origin: stranger, ...login(KEY), ...(type === null ? {} : { "content-type": type }) },
      body: Buffer.from(QUESTION),
    });
    assert.equal(response.status, 415, String(type));
    assert.equal(response.headers.get("access-control-allow-credentials"), null);
  }
});

test("answers say that they are for no frame, and what pages of the server may load", async (t) => {
  const { url } = await runWithKeys(t);
  const { headers } = await fetch(`${url}/health`);
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/);
  assert.equal(headers.get("strict-transport-security"), null);
  assert.equal(headers.get("x-powered-by"), null);
  const stream = await fetch(`${url}/v1/reason`, {
    method: "POST",
    headers: { ...JSON_TYPE, ...bearer(KEY) },
    body: JSON.stringify({ ...JSON.parse(QUESTION), stream: true }),
  });
  assert.equal(stream.headers.get("x-content-type-options"), "nosniff");
  assert.match(await stream.text(), /\[DONE\]/);
});
