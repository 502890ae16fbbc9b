// OpenAI's own client for Node against the server, over a real socket.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import OpenAI from "openai";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import type { ServedStudent } from "../../src/server/served-student.ts";
import { type RunningApp, runApp, runTiny } from "./support/running-app.ts";
import { until } from "./support/until.ts";

const model = "tiny";
const user = (content: string) => [{ role: "user" as const, content }];
/** Fields that the client's types do not know are passed on all the same. */
const beyondOpenAi = (fields: object) => fields as Record<never, never>;

function clientOf(server: RunningApp, options: { apiKey?: string; maxRetries?: number } = {}): OpenAI {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0, ...options });
}

async function gaugesAreZero(server: RunningApp): Promise<void> {
  await until(() => server.app.lifecycle.active === 0);
  for (const gauge of ["requests_running", "requests_waiting", "samples_running"]) {
    assert.equal(await server.metric(`magdi_${gauge}`), 0, gauge);
  }
}

test("a chat, with what the client reads of it", async (t) => {
  const { server } = await runTiny(t);
  const { data, response, request_id } = await clientOf(server)
    .chat.completions.create({
      model,
      messages: [{ role: "developer", content: "be brief" }, ...user("{{Hello.}}")],
      seed: 4,
      temperature: 0.5,
      max_completion_tokens: 20,
      user: "somebody",
      ...beyondOpenAi({ top_k: 5, min_p: 0.1 }),
    })
    .withResponse();
  assert.equal(data.choices[0]?.message.content, "Hello.");
  assert.equal(data.choices[0]?.message.role, "assistant");
  assert.equal(data.choices[0]?.finish_reason, "stop");
  assert.equal(data.usage?.completion_tokens, 7);
  assert.match(data.system_fingerprint ?? "", /^fp_/);
  assert.equal(request_id, response.headers.get("x-request-id"));
});

test("several choices, with their log-probabilities", async (t) => {
  const { server } = await runTiny(t);
  const { choices } = await clientOf(server).chat.completions.create({
    model,
    messages: user("{{[ab][ab][ab]}}"),
    n: 4,
    seed: 1,
    logprobs: true,
    top_logprobs: 2,
  });
  assert.deepEqual(
    choices.map(({ index }) => index),
    [0, 1, 2, 3],
  );
  assert.ok(new Set(choices.map(({ message }) => message.content)).size > 1);
  for (const { message, logprobs } of choices) {
    assert.equal(logprobs?.content?.map(({ token }) => token).join(""), message.content);
    assert.deepEqual(logprobs?.content?.[0]?.top_logprobs.map(({ token }) => token).sort(), ["a", "b"]);
  }
});

test("a stream with its usage says what the whole answer says", async (t) => {
  const { server } = await runTiny(t);
  const client = clientOf(server);
  const body = { model, messages: user("talk {{[ab]cd🙂[ef]}}"), n: 2, seed: 8 };
  const whole = await client.chat.completions.create(body);
  const stream = await client.chat.completions.create({
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  const texts = ["", ""];
  const ends: (string | null)[] = [null, null];
  const usages: OpenAI.CompletionUsage[] = [];
  for await (const chunk of stream) {
    if (chunk.usage) usages.push(chunk.usage);
    for (const { index, delta, finish_reason } of chunk.choices) {
      texts[index] += delta.content ?? "";
      ends[index] = finish_reason ?? ends[index] ?? null;
    }
  }
  assert.deepEqual(
    texts,
    whole.choices.map(({ message }) => message.content),
  );
  assert.deepEqual(ends, ["stop", "stop"]);
  assert.deepEqual(usages, [whole.usage]);
});

test("the client's own stream helper puts the answer together", async (t) => {
  const { server } = await runTiny(t);
  const stream = clientOf(server).chat.completions.stream({
    model,
    messages: user("{{Grüße 🙂.}}"),
    logprobs: true,
    stream_options: { include_usage: true },
  });
  let told = "";
  stream.on("content", (delta, snapshot) => {
    told += delta;
    assert.equal(snapshot, told);
  });
  const completion = await stream.finalChatCompletion();
  assert.equal(told, "Grüße 🙂.");
  assert.equal(await stream.finalContent(), told);
  assert.equal(completion.choices[0]?.finish_reason, "stop");
  assert.equal((await stream.finalMessage()).role, "assistant");
  assert.equal((await stream.totalUsage()).completion_tokens, Buffer.from(told).length + 1);
  const bytes = completion.choices[0]?.logprobs?.content?.flatMap((token) => token.bytes ?? []) ?? [];
  assert.equal(Buffer.from(bytes).toString(), told);
});

test("an abort in the middle of a stream takes its samples out of the batch", async (t) => {
  const { server, student } = await runTiny(t);
  const client = clientOf(server);
  const body = { model, messages: user("{{x*}}"), n: 3, stream: true } as const;
  const aborted = await client.chat.completions.create(body);
  let chunks = 0;
  for await (const _ of aborted) if (++chunks === 12) aborted.controller.abort();
  await gaugesAreZero(server);
  for await (const _ of await client.chat.completions.create(body)) break;
  await gaugesAreZero(server);
  const helper = client.chat.completions.stream({ model, messages: user("{{x*}}") });
  helper.once("content", () => helper.abort());
  await assert.rejects(helper.done(), OpenAI.APIUserAbortError);
  await gaugesAreZero(server);
  const controller = new AbortController();
  const whole = client.chat.completions.create(
    { model, messages: user("{{x*}}") },
    { signal: controller.signal },
  );
  const refusal = assert.rejects(whole, OpenAI.APIUserAbortError);
  await until(() => student.engine.stats().samplesRunning === 1);
  controller.abort();
  await refusal;
  await gaugesAreZero(server);
  assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 4);
});

test("text completions: a text, a batch, token ids, and a stream", async (t) => {
  const { server } = await runTiny(t);
  const client = clientOf(server);
  const one = await client.completions.create({ model, prompt: "{{one}}", logprobs: 1 });
  assert.equal(one.choices[0]?.text, "one");
  assert.deepEqual(one.choices[0]?.logprobs?.tokens, ["o", "n", "e"]);
  const batch = await client.completions.create({ model, prompt: ["{{a}}", "{{b}}"], n: 2 });
  assert.deepEqual(
    batch.choices.map(({ text }) => text),
    ["a", "a", "b", "b"],
  );
  const prompt = [[...Buffer.from("{{ids}}")]];
  let text = "";
  const stream = await client.completions.create({ model, prompt, stream: true });
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
  assert.equal(text, "ids");
});

test("the served models", async (t) => {
  const { server } = await runTiny(t);
  const client = clientOf(server);
  const ids: string[] = [];
  for await (const { id } of client.models.list()) ids.push(id);
  assert.deepEqual(ids, [model]);
  const retrieved = await client.models.retrieve(model);
  assert.equal(retrieved.object, "model");
  assert.equal(retrieved.owned_by, "magdi");
  await assert.rejects(client.models.retrieve("gpt-9"), OpenAI.NotFoundError);
});

test("each error has its class, with status, code, param and request id", async (t) => {
  const { server } = await runTiny(t, { contextLength: 64 });
  const client = clientOf(server);
  const refused = async (call: Promise<unknown>, expected: object) => {
    const error = await call.then(
      () => assert.fail("expected an error"),
      (cause: unknown) => cause,
    );
    assert.ok(error instanceof OpenAI.APIError, String(error));
    const { status, code, param, type, requestID } = error;
    assert.deepEqual({ name: error.constructor.name, status, code, param, type }, expected);
    assert.ok(requestID);
  };
  const invalid = { name: "BadRequestError", status: 400, type: "invalid_request_error" };
  const ask = (fields: object, content = "{{a}}") =>
    client.chat.completions.create({ model, messages: user(content), ...fields });
  await refused(ask({ temperature: 3 }), { ...invalid, code: null, param: "temperature" });
  await refused(ask({ temperature: 3, stream: true }), { ...invalid, code: null, param: "temperature" });
  await refused(ask({}, "x".repeat(70)), { ...invalid, code: "context_length_exceeded", param: "messages" });
  await refused(ask({ model: "gpt-9" }), {
    ...invalid,
    name: "NotFoundError",
    status: 404,
    code: "model_not_found",
    param: "model",
  });
  await refused(client.embeddings.create({ model, input: "x" }), {
    ...invalid,
    name: "NotFoundError",
    status: 404,
    code: null,
    param: null,
  });
});

test("a missing or wrong key is an AuthenticationError", async (t) => {
  const key = "a-key-of-the-test-0123456789";
  const { server } = await runTiny(t, { config: { apiKeys: parseKeyList(`tester:${key}`) } });
  const wrong = clientOf(server, { apiKey: "another-key-0123456789abcdef" });
  await assert.rejects(wrong.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(
    wrong.chat.completions.create({ model, messages: user("{{a}}"), stream: true }),
    (error) => error instanceof OpenAI.AuthenticationError && error.code === "invalid_api_key",
  );
  const right = await clientOf(server, { apiKey: key }).chat.completions.create({
    model,
    messages: user("{{a}}"),
  });
  assert.equal(right.choices[0]?.message.content, "a");
});

test("a loading model is an InternalServerError with status 503", async (t) => {
  const server = await runApp(t, new Promise<ServedStudent>(() => {}));
  await assert.rejects(
    clientOf(server).chat.completions.create({ model, messages: user("{{a}}") }),
    (error) =>
      error instanceof OpenAI.InternalServerError && error.status === 503 && error.code === "model_loading",
  );
});

test("a failure in the middle of a stream reaches who reads it", async (t) => {
  const { server, student } = await runTiny(t);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const stream = await clientOf(server).chat.completions.create({
    model,
    messages: user("{{x*}}"),
    stream: true,
  });
  await held;
  student.runner.failWith = new Error("the step failed");
  release();
  await assert.rejects(
    async () => {
      for await (const _ of stream);
    },
    (error) => error instanceof OpenAI.APIError && error.code === "engine_failed",
  );
});

/** A server whose queue is full until the returned function lets it work. */
async function runFull(t: TestContext) {
  const { server, student } = await runTiny(t, { maxWaitingSamples: 1 });
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  const running = server.post("/v1/completions", { prompt: "{{a}}" });
  await held;
  const waiting = server.post("/v1/completions", { prompt: "{{b}}" });
  await until(() => student.engine.stats().samplesWaiting === 1);
  return {
    server,
    async letWork() {
      release();
      await Promise.all([running, waiting]);
    },
  };
}

test("a full queue is a RateLimitError that says when to come again", async (t) => {
  const { server, letWork } = await runFull(t);
  await assert.rejects(
    clientOf(server).chat.completions.create({ model, messages: user("{{a}}") }),
    (error) =>
      error instanceof OpenAI.RateLimitError &&
      error.code === "queue_full" &&
      Number(error.headers.get("retry-after")) >= 1,
  );
  await letWork();
});

test("a client that is told to come again waits as long as Retry-After says, and is answered", async (t) => {
  const { server, letWork } = await runFull(t);
  const waitsMs: number[] = [];
  const setTimer = globalThis.setTimeout;
  // The client waits by the global timer. Its wait is over when the queue has room, not when a second has passed.
  t.mock.method(globalThis, "setTimeout", (callback: () => void, ms: number) => {
    if (ms !== 1000) return setTimer(callback, ms);
    waitsMs.push(ms);
    return setTimer(() => void letWork().then(callback), 0);
  });
  const answer = await clientOf(server, { maxRetries: 2 }).chat.completions.create({
    model,
    messages: user("{{at last}}"),
  });
  assert.equal(answer.choices[0]?.message.content, "at last");
  assert.deepEqual(waitsMs, [1000]);
  assert.equal(await server.metric('magdi_request_failures_total{reason="queue_full"}'), 1);
  assert.equal(await server.metric('magdi_request_success_total{finish_reason="stop"}'), 3);
});
