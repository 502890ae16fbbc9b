// What a key may do and see beside other keys, over real sockets: rights, its own lines of the metrics, no caches.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { runTiny } from "./support/running-app.ts";

const ALICE = "alices-secret-0123456789";
const BOB = "bobs-secret-0123456789";
const PROMETHEUS = "prometheus-secret-0123456789";
const CAROL = "carols-secret-0123456789";
const apiKeys = parseKeyList(
  `alice:${ALICE},bob:${BOB},prometheus:${PROMETHEUS} rights=metrics,carol:${CAROL} rights=ask+metrics`,
);
const NAMES = ["alice", "bob", "prometheus", "carol"];

const bearer = (key: string) => ({ authorization: `Bearer ${key}`, "content-type": "application/json" });
const QUESTION = JSON.stringify({ question: "How many? {{The answer is 4.}}", max_tokens: 30 });
const OPEN_METRICS = "application/openmetrics-text; version=1.0.0";

test("a key sees its own lines of the metrics and the totals; all keys' lines take a right", async (t) => {
  const { server } = await runTiny(t, { config: { apiKeys } });
  for (const key of [ALICE, BOB, BOB, CAROL]) {
    assert.equal((await server.post("/v1/reason", QUESTION, { headers: bearer(key) })).status, 200);
  }
  for (const accept of ["*/*", OPEN_METRICS]) {
    const scrape = async (key: string) => {
      const response = await fetch(`${server.url}/metrics`, { headers: { ...bearer(key), accept } });
      assert.equal(response.status, 200);
      return response.text();
    };
    const namesIn = (text: string) => [
      ...new Set([...text.matchAll(/key="([^"]*)"/g)].map(([, name]) => name)),
    ];
    const all = await scrape(PROMETHEUS);
    assert.deepEqual(namesIn(all), NAMES);
    assert.deepEqual(namesIn(await scrape(CAROL)), NAMES);
    const lines = (text: string, name: string) =>
      text.split("\n").filter((line) => line.includes(`key="${name}"`));
    for (const [key, name] of [
      [ALICE, "alice"],
      [BOB, "bob"],
    ] as const) {
      const own = await scrape(key);
      assert.deepEqual(namesIn(own), [name]);
      assert.deepEqual(lines(own, name), lines(all, name), "its own lines are those that all see");
      for (const other of NAMES)
        assert.equal(own.includes(other), other === name, `${name} reads of ${other}`);
      assert.match(own, /^magdi_request_success_total\{finish_reason="stop"\} 4$/m);
      const kinds = lines(own, name).map((line) => line.split(/[{ ]/)[0]);
      assert.ok(new Set(kinds).size >= 5, `counters and a histogram: ${kinds}`);
    }
    assert.match(all, /^magdi_key_requests_total\{key="bob"\} 2$/m);
  }
  const { server: open } = await runTiny(t);
  assert.equal(await open.metric('magdi_key_requests_total{key="anybody"}'), 0);
});

test("a key for metrics alone gets 403 from every other route, and the probes as everybody does", async (t) => {
  const { server, student } = await runTiny(t, { config: { apiKeys } });
  const document = await (await fetch(`${server.url}/openapi.json`, { headers: bearer(ALICE) })).json();
  // A test of the document holds it to all routes but files of pages.
  const { paths: described } = document as { paths: Record<string, object> };
  const paths = Object.entries(described).flatMap(([url, operations]) =>
    Object.keys(operations).map((method) => ({ method: method.toUpperCase(), url })),
  );
  assert.ok(paths.length >= 15, `expected all routes, found ${paths.length}`);
  for (const url of ["/", "/docs", "/playground/playground.js", "/v1/models", "/v1/nothing", "/metrics/x"]) {
    for (const method of ["GET", "HEAD", "POST"]) paths.push({ method, url });
  }
  for (const { method, url } of paths) {
    const path = url.replace(/\{\w+\}/g, "tiny");
    const body = method === "POST" ? { body: QUESTION } : {};
    const response = await fetch(server.url + path, { method, headers: bearer(PROMETHEUS), ...body });
    const free = ["/metrics", "/health", "/ready"].includes(path);
    assert.equal(response.status, free ? 200 : 403, `${method} ${path}`);
    const text = await response.text();
    if (free || method === "HEAD") continue;
    const { error } = JSON.parse(text);
    assert.deepEqual([error.type, error.code], ["permission_error", "missing_right"]);
    const right = method === "POST" && path === "/v1/debate" ? "debate" : "ask";
    assert.equal(
      error.message,
      `the API key has no right to this: its entry needs rights=${right}, it has metrics`,
    );
  }
  const protocols = ["magdi", `magdi.key.${Buffer.from(PROMETHEUS).toString("base64url")}`];
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/reason/ws`, protocols);
  const [error] = await once(socket, "error");
  assert.match(String(error), /403/);
  assert.equal(student.runner.prefillSteps, 0);
  const { status } = await fetch(`${server.url}/metrics`);
  assert.equal(status, 401);
});

test("no answer to a key may be kept by a cache, whatever it says", async (t) => {
  const { server } = await runTiny(t, { config: { apiKeys } });
  const post = (body: string) => ({ method: "POST", body });
  const stream = post(JSON.stringify({ ...JSON.parse(QUESTION), stream: true }));
  const cases: [string, RequestInit, number][] = [
    ["/v1/models", {}, 200],
    ["/v1/models/tiny", {}, 200],
    ["/v1/models/%ff", {}, 400],
    ["/metrics", {}, 200],
    ["/v1/baselines", {}, 200],
    ["/openapi.json", {}, 200],
    ["/", { headers: { accept: "text/html" } }, 200],
    ["/playground/playground.js", {}, 200],
    ["/v1/reason", post(QUESTION), 200],
    ["/v1/reason", stream, 200],
    [
      "/v1/chat/completions",
      post('{"messages": [{"role": "user", "content": "{{a}}"}], "stream": true}'),
      200,
    ],
    ["/v1/tokenize", post('{"prompt": "a"}'), 200],
    ["/v1/reason", post("{"), 400],
    ["/v1/nothing", {}, 404],
    ["/v1/models", post("{}"), 405],
    ["/v1/reason", { method: "HEAD" }, 405],
    ["/v1/models", { headers: { authorization: "Bearer no-such-key-0123456789" } }, 401],
    ["/v1/models", { headers: bearer(PROMETHEUS) }, 403],
  ];
  for (const [path, { headers, ...init }, status] of cases) {
    const response = await fetch(server.url + path, { headers: { ...bearer(ALICE), ...headers }, ...init });
    await response.text();
    assert.equal(response.status, status, path);
    const control = response.headers.get("cache-control");
    assert.match(control ?? "", /\bno-store\b/, `${init.method ?? "GET"} ${path}: ${control}`);
  }
});
