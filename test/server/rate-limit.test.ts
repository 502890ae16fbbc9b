// Requests a minute: the bucket itself, and what callers are told, over real sockets.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { RateLimiter } from "../../src/server/access/rate-limit.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { runTiny } from "./support/running-app.ts";

const CHAT = "/v1/chat/completions";
const HELLO = { messages: [{ role: "user", content: "hello {{hi}}" }] };

test("a bucket holds a minute's requests and fills evenly", () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter(3, clock);
  assert.deepEqual(limiter.take("a"), { allowed: true, limit: 3, remaining: 2, resetMs: 20_000, retryMs: 0 });
  limiter.take("a");
  assert.deepEqual(limiter.take("a"), {
    allowed: true,
    limit: 3,
    remaining: 0,
    resetMs: 60_000,
    retryMs: 20_000,
  });
  clock.advance(19_999);
  assert.equal(limiter.take("a").allowed, false);
  assert.equal(limiter.take("b").allowed, true);
  clock.advance(1);
  assert.deepEqual(limiter.take("a"), {
    allowed: true,
    limit: 3,
    remaining: 0,
    resetMs: 60_000,
    retryMs: 20_000,
  });
  assert.equal(limiter.take("a").allowed, false);
  clock.advance(600_000);
  assert.equal(limiter.take("a").remaining, 2, "it does not fill beyond its size");
});

test("buckets are forgotten when they are full again, and there are never more than ten thousand", () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter(2, clock);
  for (let i = 0; i < 10_500; i++) limiter.take(`client ${i}`);
  assert.equal(limiter.size, 10_000);
  clock.advance(60_000);
  limiter.take("another");
  assert.equal(limiter.size, 1);
});

test("a key over its limit is 429 with Retry-After and OpenAI's headers; other keys and routes are untouched", async (t) => {
  const clock = new ManualClock();
  const apiKeys = parseKeyList("alice:alices-secret-0123456789,bob:bobs-secret-0123456789");
  const { server } = await runTiny(t, { clock, config: { apiKeys, requestsPerMinute: 2 } });
  const as = (key: string, stream = false) =>
    server.post(
      CHAT,
      { ...HELLO, stream },
      {
        headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      },
    );
  const alice = "alices-secret-0123456789";
  const first = await as(alice);
  assert.equal(first.status, 200);
  const limits = ({ headers }: { headers: Headers }) =>
    ["limit", "remaining", "reset"].map((name) => headers.get(`x-ratelimit-${name}-requests`));
  assert.deepEqual(limits(first), ["2", "1", "30s"]);
  // A request that fails counts too, and so does a stream.
  const second = await as(alice, true);
  assert.deepEqual(limits(second), ["2", "0", "1m0s"]);
  for (const stream of [false, true]) {
    const refused = await as(alice, stream);
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("retry-after"), "30");
    assert.deepEqual(limits(refused), ["2", "0", "1m0s"]);
    assert.deepEqual(refused.body.error, {
      retry_after_seconds: 30,
      message: "rate limit of 2 requests a minute reached; retry in 30 s",
      type: "rate_limit_error",
      param: null,
      code: "rate_limit_exceeded",
    });
  }
  assert.equal((await as("bobs-secret-0123456789")).status, 200);
  const models = await fetch(`${server.url}/v1/models`, { headers: { "x-api-key": alice } });
  assert.equal(models.status, 200);
  assert.equal(models.headers.get("x-ratelimit-limit-requests"), null);
  clock.advance(30_000);
  assert.equal((await as(alice)).status, 200);
  assert.equal((await as(alice)).status, 429);
  const metrics = await fetch(`${server.url}/metrics`, { headers: { "x-api-key": alice } });
  assert.match(await metrics.text(), /magdi_request_failures_total\{reason="rate_limited"\} 3\n/);
});

test("without keys each address has its own limit, and a trusted proxy names it", async (t) => {
  const clock = new ManualClock();
  const config = { requestsPerMinute: 1, trustProxy: ["127.0.0.1"] };
  const { server } = await runTiny(t, { clock, config });
  const from = async (address: string) => {
    const headers = { "content-type": "application/json", "x-forwarded-for": address };
    return (await server.post(CHAT, HELLO, { headers })).status;
  };
  assert.equal(await from("192.0.2.1"), 200);
  assert.equal(await from("192.0.2.1"), 429);
  assert.equal(await from("192.0.2.2"), 200);
  assert.equal(await from("2001:db8:0:7::1"), 200);
  assert.equal(await from("2001:db8::7:ffff:0:0:2"), 429, "one network, written otherwise");
  assert.equal(await from("2001:db8:0:8::1"), 200);
  const alone = await runTiny(t, { clock, config: { requestsPerMinute: 1 } });
  const spoofed = (address: string) =>
    alone.server.post(CHAT, HELLO, {
      headers: { "content-type": "application/json", "x-forwarded-for": address },
    });
  assert.equal((await spoofed("192.0.2.1")).status, 200);
  assert.equal((await spoofed("192.0.2.2")).status, 429, "nobody is believed unasked");
});

test("each question on a WebSocket counts as a request", async (t) => {
  const clock = new ManualClock();
  const { server } = await runTiny(t, { clock, config: { requestsPerMinute: 2 } });
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/reason/ws`);
  t.after(() => socket.terminate());
  await once(socket, "open");
  const ended = new Promise<Record<string, string>>((resolve) => {
    const kinds: Record<string, string> = {};
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data));
      if (frame.type === "error") kinds[frame.id] = frame.error.code;
      if (frame.type === "result") kinds[frame.id] = "result";
      if (Object.keys(kinds).length === 3) resolve(kinds);
    });
  });
  for (const id of ["a", "b", "c"]) {
    socket.send(JSON.stringify({ type: "reason", id, question: "{{The answer is 4.}}", max_tokens: 30 }));
  }
  assert.deepEqual(await ended, { a: "result", b: "result", c: "rate_limit_exceeded" });
  assert.equal((await server.post(CHAT, HELLO)).status, 429);
});

test("texts to tokenise and votes count as questions do; what only looks is free", async (t) => {
  const clock = new ManualClock();
  const { server } = await runTiny(t, { clock, config: { requestsPerMinute: 4 } });
  const work: [string, object][] = [
    ["/v1/tokenize", { prompt: "a" }],
    ["/v1/detokenize", { tokens: [97] }],
    ["/v1/vote", { task: "math", samples: [{ text: "The answer is 4." }] }],
    [CHAT, HELLO],
  ];
  const left: (string | null)[] = [];
  for (const [path, body] of work) {
    const answer = await server.post(path, body);
    assert.equal(answer.status, 200, path);
    left.push(answer.headers.get("x-ratelimit-remaining-requests"));
  }
  assert.deepEqual(left, ["3", "2", "1", "0"], "one bucket for all");
  for (const [path, body] of work) {
    const answer = await server.post(path, body);
    assert.deepEqual([answer.status, answer.body.error.code], [429, "rate_limit_exceeded"], path);
    assert.ok(Number(answer.headers.get("retry-after")) > 0);
  }
  for (const path of ["/v1/models", "/metrics", "/health", "/v1/baselines"]) {
    assert.equal((await server.get(path)).status, 200, path);
  }
});

test("by default there is no limit", async (t) => {
  const { server } = await runTiny(t);
  const answer = await server.post(CHAT, HELLO);
  assert.equal(answer.headers.get("x-ratelimit-limit-requests"), null);
});
