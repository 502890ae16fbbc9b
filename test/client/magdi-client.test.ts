// The client against the real app: whole answers, the small endpoints, errors, retries, aborts.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import {
  MagdiApiError,
  MagdiClient,
  MagdiConnectionError,
  MagdiTimeoutError,
} from "../../src/client/index.ts";
import type { ServedStudent } from "../../src/server/served-student.ts";
import { runApp, runTiny } from "../server/support/running-app.ts";
import { tinyStudent } from "../server/support/tiny-student.ts";
import { until } from "../server/support/until.ts";

const MATH = { question: "How many are 2 + 2? {{The answer is 4.}}" };
const ENDLESS = { question: "Count. {{abc*}}" };

function apiError(expected: Partial<MagdiApiError>): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof MagdiApiError, String(error));
    for (const [key, value] of Object.entries(expected)) {
      assert.deepEqual(error[key as keyof MagdiApiError], value, `${key} of: ${error.message}`);
    }
    return true;
  };
}

/** A server that answers as told, for what a real one does not do. */
async function rawServer(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a question is answered as over HTTP", async (t) => {
  const { server } = await runTiny(t);
  const client = new MagdiClient({ baseUrl: `${server.url}/` });
  const response = await client.reason({ ...MATH, samples: 3, seed: 7, return_samples: true });
  assert.equal(response.answer, "4");
  assert.equal(response.samples?.length, 3);
  const { body } = await server.post("/v1/reason", { ...MATH, samples: 3, seed: 7, return_samples: true });
  for (const key of ["task", "votes", "usage", "comparison", "seed"] as const) {
    assert.deepEqual(response[key], body[key], key);
  }
});

test("models, tokens, baselines and probes", async (t) => {
  const { server } = await runTiny(t);
  const client = new MagdiClient({ baseUrl: server.url });
  const [model] = await client.models();
  assert.equal(model?.id, "tiny");
  assert.deepEqual(await client.model("tiny"), model);
  await assert.rejects(client.model("a/b c"), apiError({ status: 404, code: "model_not_found" }));
  const { tokens, count } = await client.tokenize({ prompt: "abc" });
  assert.deepEqual(tokens, [97, 98, 99]);
  assert.equal(count, 3);
  assert.equal((await client.detokenize({ tokens })).prompt, "abc");
  const { data } = await client.baselines();
  assert.equal(data.find(({ name }) => name === "gsm8k")?.tokens, 642.3);
  assert.deepEqual(await client.health(), { ok: true, status: "ok" });
  assert.deepEqual(await client.ready(), { ok: true, status: "ready" });
});

test("a server that is not ready is an answer and no error", async (t) => {
  const server = await runApp(t, new Promise<ServedStudent>(() => {}));
  const client = new MagdiClient({ baseUrl: server.url });
  assert.deepEqual(await client.ready(), { ok: false, status: "loading" });
  assert.deepEqual(await client.health(), { ok: true, status: "ok" });
});

test("an error says status, type, code, param and request id, and what else the server said", async (t) => {
  const { server } = await runTiny(t, { contextLength: 128 });
  const client = new MagdiClient({ baseUrl: server.url });
  await assert.rejects(
    client.reason({ ...MATH, temperature: 3 }),
    apiError({ status: 400, type: "invalid_request_error", code: null, param: "temperature" }),
  );
  await assert.rejects(client.reason({ question: "x".repeat(500) }), (error) => {
    apiError({ status: 400, code: "context_length_exceeded" })(error);
    assert.ok(error instanceof MagdiApiError);
    assert.equal(error.details.context_length, 128);
    assert.ok(Number(error.details.prompt_tokens) > 500);
    assert.match(error.requestId ?? "", /^[\w-]{8,}$/);
    return true;
  });
});

test("behaviours 27 and 28: a request refused with 429 is sent again after the time the server names", async (t) => {
  const { server, student } = await runTiny(t, { maxRows: 1, maxWaitingSamples: 1 });
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const plain = new MagdiClient({ baseUrl: server.url, maxRetries: 0 });
  const running = plain.reason(MATH);
  await held;
  const waiting = plain.reason(MATH);
  await until(() => student.engine.stats().samplesWaiting === 1);
  await assert.rejects(
    plain.reason(MATH),
    apiError({ status: 429, type: "rate_limit_error", code: "queue_full", retryAfterSeconds: 1 }),
  );
  const waits: number[] = [];
  const patient = new MagdiClient({
    baseUrl: server.url,
    jitter: () => 0.5,
    async wait(ms) {
      waits.push(ms);
      if (waits.length < 2) return;
      release();
      await Promise.all([running, waiting]);
    },
  });
  assert.equal((await patient.reason(MATH)).answer, "4");
  assert.deepEqual(waits, [1500, 1500]);
});

test("a wait that the server asked for is not its silence", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let asked = 0;
  const client = new MagdiClient({
    baseUrl: "http://unused",
    timeoutMs: 15_000,
    jitter: () => 0,
    async fetch(_url, init) {
      init?.signal?.throwIfAborted();
      asked++;
      if (asked === 3) t.mock.timers.tick(15_000);
      init?.signal?.throwIfAborted();
      const headers = { "retry-after": "20" };
      return Response.json({ error: { message: "full", code: "queue_full" } }, { status: 429, headers });
    },
    async wait(ms) {
      t.mock.timers.tick(ms);
    },
  });
  await assert.rejects(client.models(), MagdiTimeoutError);
  assert.equal(asked, 3, "two waits of 20 s, and then a silence of 15 s");
});

test("behaviour 25: a request refused while the model loads is sent again, streamed ones too", async (t) => {
  let load: (student: ServedStudent) => void = () => {};
  const server = await runApp(t, new Promise<ServedStudent>((resolve) => (load = resolve)));
  const impatient = new MagdiClient({ baseUrl: server.url, maxRetryDelayMs: 500 });
  await assert.rejects(impatient.reason(MATH), apiError({ status: 503, code: "model_loading" }));
  let waits = 0;
  const client = new MagdiClient({
    baseUrl: server.url,
    async wait() {
      waits++;
      load(tinyStudent());
    },
  });
  assert.equal((await client.reasonStream(MATH).result()).answer, "4");
  assert.equal(waits, 1);
});

test("what would fail again is asked once, and retries are bounded", async (t) => {
  let asked = 0;
  let headers: Record<string, string> = {};
  let status = 503;
  const baseUrl = await rawServer(t, (_request, response) => {
    asked++;
    response.writeHead(status, { "content-type": "text/html", ...headers }).end("<h1>Bad gateway</h1>");
  });
  const waits: number[] = [];
  const client = new MagdiClient({
    baseUrl,
    maxRetries: 3,
    jitter: () => 0,
    wait: async (ms) => void waits.push(ms),
  });
  await assert.rejects(client.reason(MATH), apiError({ status: 503, type: "server_error", code: null }));
  assert.equal(asked, 1, "a 503 without Retry-After");
  headers = { "retry-after": "0" };
  await assert.rejects(client.reason(MATH), apiError({ status: 503, retryAfterSeconds: 0 }));
  assert.equal(asked, 5);
  assert.deepEqual(waits, [100, 100, 100]);
  headers = { "retry-after": new Date(Date.now() + 3_600_000).toUTCString() };
  await assert.rejects(client.reason(MATH), apiError({ status: 503 }));
  assert.equal(asked, 6, "an hour is more than maxRetryDelayMs");
  status = 500;
  headers = { "retry-after": "1" };
  await assert.rejects(client.reason(MATH), apiError({ status: 500 }));
  assert.equal(asked, 7);
});

test("behaviour 32: an abort ends the call with its reason and the work on the server", async (t) => {
  const { server, student } = await runTiny(t, { contextLength: 60_000 });
  const client = new MagdiClient({ baseUrl: server.url });
  const controller = new AbortController();
  const call = client.reason({ ...ENDLESS, max_tokens: 50_000 }, { signal: controller.signal });
  await until(() => student.engine.stats().samplesRunning === 1);
  controller.abort(new Error("changed my mind"));
  await assert.rejects(call, { message: "changed my mind" });
  await until(() => student.engine.stats().samplesRunning === 0);
  await assert.rejects(
    client.reason(MATH, { signal: AbortSignal.abort("before") }),
    (error) => error === "before",
  );
});

test("silence, refused connections and answers that are no JSON are told apart", async (t) => {
  const silent = await rawServer(t, () => {});
  const waiting = new MagdiClient({ baseUrl: silent, timeoutMs: 20 });
  await assert.rejects(waiting.reason(MATH), MagdiTimeoutError);
  await assert.rejects(waiting.health(), MagdiTimeoutError);
  await assert.rejects(waiting.reasonStream(MATH).result(), MagdiTimeoutError);

  const gone = new MagdiClient({ baseUrl: "http://127.0.0.1:1" });
  await assert.rejects(gone.reason(MATH), (error) => {
    assert.ok(error instanceof MagdiConnectionError && !(error instanceof MagdiTimeoutError));
    assert.match(error.message, /^POST http:\/\/127\.0\.0\.1:1\/v1\/reason: /);
    return true;
  });

  const page = await rawServer(t, (_request, response) => response.end("<h1>Welcome</h1>"));
  await assert.rejects(new MagdiClient({ baseUrl: page }).reason(MATH), MagdiConnectionError);
});

test("calls that fail and that nobody waits for leave no unhandled rejection", async (t) => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", listener);
  t.after(() => process.off("unhandledRejection", listener));
  const { server, student } = await runTiny(t, { contextLength: 60_000 });
  const client = new MagdiClient({ baseUrl: server.url });
  const stream = client.reasonStream({ ...ENDLESS, max_tokens: 50_000 });
  for await (const frame of stream) if (frame.type === "token") break;
  const session = await client.connect();
  session.reason({ ...ENDLESS, max_tokens: 50_000 });
  session.reason({ ...ENDLESS, max_tokens: 50_000 }, { signal: AbortSignal.abort() });
  session.reason({ question: "" });
  await session.ping();
  await session.close();
  session.reason(MATH);
  await until(() => student.engine.stats().samplesRunning === 0);
  await new Promise(setImmediate);
  assert.deepEqual(unhandled, []);
});
