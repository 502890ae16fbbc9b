// GET / and the files of its page: who gets HTML and who the list, caching, and who is let in where keys are set.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { runTiny } from "./support/running-app.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

const typeOf = (response: Response) => response.headers.get("content-type")?.split(";")[0];

test("browsers get the page, everybody else the list, by what they accept", async (t) => {
  const { server } = await runTiny(t);
  const cases: [string | null, string][] = [
    [BROWSER, "text/html"],
    ["text/html", "text/html"],
    ["TEXT/HTML;q=0.5, application/json;q=0.4", "text/html"],
    ["text/html;q=0.4, application/json;q=0.5", "application/json"],
    ["text/html;q=0", "application/json"],
    ["text/html;q=much", "application/json"],
    ["application/json", "application/json"],
    ["*/*", "application/json"],
    ["", "application/json"],
    [",;=,q=1", "application/json"],
    [null, "application/json"],
  ];
  for (const [accept, expected] of cases) {
    const response = await fetch(server.url, { headers: accept === null ? {} : { accept } });
    assert.equal(response.status, 200);
    assert.equal(typeOf(response), expected, String(accept));
    assert.match(response.headers.get("vary") ?? "", /accept/);
    await response.text();
  }
});

test("the list is of routes that there are, each one", async (t) => {
  const { server } = await runTiny(t);
  const { body } = await server.get("/");
  assert.equal(body.name, "magdi");
  assert.equal(body.model, "tiny");
  for (const endpoint of ["POST /v1/reason", "GET /v1/reason/ws", "GET /v1/models/{id}", "GET /metrics"]) {
    assert.ok(body.endpoints.includes(endpoint), endpoint);
  }
  assert.equal(new Set(body.endpoints).size, body.endpoints.length);
  for (const endpoint of body.endpoints) {
    const [method, path] = endpoint.split(" ");
    assert.match(endpoint, /^(GET|POST) \/[\w/{}.]*$/);
    const response = await fetch(server.url + path.replace("{id}", "tiny"), { method });
    assert.ok(![404, 405].includes(response.status), `${endpoint}: ${response.status}`);
    await response.body?.cancel();
  }
});

test("the page's files have types and tags, and are sent once", async (t) => {
  const { server } = await runTiny(t);
  const page = await fetch(server.url, { headers: { accept: BROWSER } });
  const html = await page.text();
  const files = [...html.matchAll(/(?:href|src)="(playground\/[^"]+)"/g)].map((match) => `/${match[1]}`);
  assert.ok(files.length >= 5, html);
  const types: Readonly<Record<string, string>> = {
    css: "text/css",
    js: "text/javascript",
    svg: "image/svg+xml",
  };
  for (const path of ["/", ...new Set(files)]) {
    const headers = { accept: BROWSER };
    const first = await fetch(server.url + path, { headers });
    const bytes = (await first.arrayBuffer()).byteLength;
    assert.equal(first.status, 200, path);
    assert.equal(typeOf(first), types[path.split(".").at(-1) ?? ""] ?? "text/html", path);
    assert.equal(first.headers.get("cache-control"), "no-cache");
    assert.equal(first.headers.get("x-content-type-options"), "nosniff");
    const etag = first.headers.get("etag") ?? "";
    assert.match(etag, /^"[\w-]{22}"$/);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await fetch(server.url + path, { headers: { ...headers, "if-none-match": known } });
      assert.equal(again.status, 304, `${path} ${known}`);
      assert.equal(again.headers.get("etag"), etag);
      assert.equal(await again.text(), "");
    }
    const other = await fetch(server.url + path, { headers: { ...headers, "if-none-match": '"other"' } });
    assert.equal((await other.arrayBuffer()).byteLength, bytes);
    const head = await fetch(server.url + path, { method: "HEAD", headers });
    assert.equal(head.headers.get("content-length"), String(bytes));
  }
  for (const path of [
    "/playground",
    "/playground/",
    "/playground/index.html",
    "/playground/../app.ts",
    "/playground/%2e%2e%2fapp.ts",
  ]) {
    assert.equal((await server.get(path)).status, 404, path);
  }
  assert.equal((await server.post("/playground/ask.js", {})).status, 405);
});

test("the page has a word for each state that /ready may be in, and marks no other", async (t) => {
  const { server } = await runTiny(t);
  const { components } = (await server.get("/openapi.json")).body;
  const states: string[] = components.schemas.ProbeStatus.properties.status.enum;
  assert.ok(states.includes("ready"));
  const { body: script } = await server.get("/playground/server-status.js");
  const words = /const WORDS = (\{[^}]*\})/.exec(script)?.[1] ?? "";
  const named = [...words.matchAll(/(\w+): "/g)].map(([, state]) => state);
  assert.deepEqual(named.sort(), states.filter((state) => state !== "ok").sort());
  const { body: style } = await server.get("/playground/playground.css");
  const marked = [...style.matchAll(/data-state="(\w+)"/g)].map(([, state]) => state);
  assert.ok(marked.includes("engine_failed") && marked.includes("engine_stalled"));
  for (const state of marked) assert.ok(["unreachable", ...states].includes(state ?? ""), state);
});

test("behaviour 22: with keys, the page, its files and the list want one, which a browser sends", async (t) => {
  const key = "index-page-secret-0123456789";
  const { server } = await runTiny(t, { config: { apiKeys: parseKeyList(`reader:${key}`) } });
  const login = Buffer.from(`me:${key}`).toString("base64");
  for (const [path, accept, type] of [
    ["/", BROWSER, "text/html"],
    ["/playground/ask.js", "*/*", "text/javascript"],
    ["/playground/playground.css", "text/css,*/*;q=0.1", "text/css"],
    ["/", "application/json", "application/json"],
  ] as const) {
    const refused = await fetch(server.url + path, { headers: { accept } });
    assert.equal(refused.status, 401, path);
    assert.match(await refused.text(), /"authentication_error"/);
    const cached = await fetch(server.url + path, { headers: { accept, "if-none-match": "*" } });
    assert.equal(cached.status, 401, path);
    for (const authorization of [`Basic ${login}`, `Bearer ${key}`]) {
      const known = await fetch(server.url + path, { headers: { accept, authorization } });
      assert.equal(known.status, 200, path);
      assert.equal(typeOf(known), type);
      await known.text();
    }
  }
});
