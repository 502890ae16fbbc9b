// Questions over a WebSocket: every frame, many at once, cancel and enough, and the same answers as over HTTP.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serverFrame } from "../../src/server/reason/frames.ts";
import type { ServedStudent } from "../../src/server/served-student.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type Json, runApp, runTiny } from "./support/running-app.ts";
import { connectSocket } from "./support/socket-client.ts";
import { tinyStudent } from "./support/tiny-student.ts";
import { until } from "./support/until.ts";

const VARIED = "How many are 2 + 2? {{The answer is [4457].}}";

const texts = (frames: Json[], sample: number) =>
  frames
    .filter((frame) => frame.type === "token" && frame.sample === sample)
    .map((frame) => frame.text)
    .join("");

test("a question's frames come in order, and say what HTTP says for the same seed", async (t) => {
  const { server } = await runTiny(t);
  const client = await connectSocket(t, server);
  const fields = { samples: 3, seed: 3, early_stop: "off", return_samples: true };
  client.ask("q-1", VARIED, fields);
  const result = await client.last("q-1");
  assert.equal(result.type, "result");
  const frames = client.of("q-1");
  assert.equal(frames.length, client.frames.length);
  assert.equal(frames[0].type, "accepted");
  assert.equal(frames[0].model, "tiny");
  assert.equal(frames[0].seed, 3);
  assert.equal(frames.at(-1).type, "result");
  for (const sample of result.samples) assert.equal(texts(frames, sample.index), sample.text);
  assert.equal(frames.filter(({ type }) => type === "sample").length, 3);
  const votes = frames.filter(({ type }) => type === "vote");
  assert.deepEqual(
    votes.map(({ remaining }) => remaining),
    [2, 1, 0],
  );
  assert.deepEqual(votes.at(-1).votes, result.votes);

  const body = { question: VARIED, ...fields };
  const { body: whole } = await server.post("/v1/reason", body);
  for (const key of Object.keys(whole)) {
    if (key !== "id" && key !== "timing") assert.deepEqual(result[key], whole[key], key);
  }
  const events = await server.stream("/v1/reason", body);
  const streamed = events.slice(0, -1).map(({ data }) => data);
  for (const frame of streamed) serverFrame.parse(frame);
  const comparable = (all: Json[]) =>
    all.filter(({ type }) => type !== "result").map((frame) => ({ ...frame, id: "same" }));
  assert.deepEqual(comparable(frames), comparable(streamed));
});

test("many questions run on one connection, each under its own id", async (t) => {
  const { server, student } = await runTiny(t);
  const client = await connectSocket(t, server);
  const release = student.runner.hold();
  for (let i = 0; i < 20; i++) client.ask(`q${i}`, `${i}? {{The answer is ${i}.}}`, { task: "math" });
  await client.settled();
  assert.equal(client.frames.filter(({ type }) => type === "accepted").length, 20);
  release();
  for (let i = 0; i < 20; i++) {
    const { answer } = await client.last(`q${i}`);
    assert.equal(answer, String(i));
    assert.equal(texts(client.of(`q${i}`), 0), `The answer is ${i}.`);
  }
  client.ask("q0", "Again? {{The answer is 5.}}", { task: "math" });
  await until(() => client.of("q0").filter(({ type }) => type === "result").length === 2);
});

test("a seed gives the same over a socket, among strangers on it", async (t) => {
  const { server } = await runTiny(t, { maxRows: 16 });
  const client = await connectSocket(t, server);
  const fields = {
    task: "free",
    samples: 4,
    seed: 7,
    early_stop: "off",
    max_tokens: 30,
    return_samples: true,
  };
  for (let i = 0; i < 3; i++) client.ask(`stranger-${i}`, VARIED, { samples: 3, seed: i });
  client.ask("mine", "Say it.", fields);
  const [mine, { body }] = await Promise.all([
    client.last("mine"),
    server.post("/v1/reason", { question: "Say it.", ...fields }),
  ]);
  assert.deepEqual(mine.samples, body.samples);
  assert.deepEqual(mine.votes, body.votes);
});

test("a cancelled question leaves the batch, and its last frame is the error cancelled", async (t) => {
  const { server, student } = await runTiny(t);
  const client = await connectSocket(t, server);
  client.ask("long", "{{x*}}", { samples: 3 });
  await client.frame(({ type }) => type === "token");
  client.send({ type: "cancel", id: "long" });
  const { type, error } = await client.last("long");
  assert.equal(type, "error");
  assert.equal(error.code, "cancelled");
  assert.equal(client.of("long").at(-1).type, "error");
  assert.equal(student.engine.stats().samplesRunning, 0);
  assert.equal(server.app.lifecycle.active, 0);
  assert.equal(await server.metric('magdi_request_failures_total{reason="cancelled"}'), 1);
  const lost = await server.metric('magdi_generation_tokens_discarded_total{reason="cancelled"}');
  assert.ok(lost > 0);
  assert.equal(await server.metric("magdi_generation_tokens_total"), lost);
  client.ask("long", "Two? {{The answer is 2.}}");
  await client.frame(({ type, id }) => type === "result" && id === "long");
});

test("a question cancelled while it waits is never prefilled; the one that runs is untouched", async (t) => {
  const { server, student } = await runTiny(t);
  const client = await connectSocket(t, server);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  client.ask("running", "Two? {{The answer is 2.}}");
  await held;
  client.ask("waiting", "{{x*}}", { samples: 2 });
  client.send({ type: "cancel", id: "waiting" });
  assert.equal((await client.last("waiting")).error.code, "cancelled");
  assert.equal(student.engine.stats().requestsWaiting, 0);
  release();
  const { answer, usage } = await client.last("running");
  assert.equal(answer, "2");
  assert.equal(await server.metric("magdi_prompt_tokens_total"), usage.prompt_tokens);
});

test("enough settles on the samples that have finished", async (t) => {
  const { server, student } = await runTiny(t);
  const client = await connectSocket(t, server);
  let release = student.runner.hold();
  let held = student.runner.stepHeld();
  // Samples of a prompt without a script end at lengths of their own.
  client.ask("q", "Say it.", { task: "free", samples: 4, seed: 2, early_stop: "off", return_samples: true });
  while (client.of("q").every(({ type }) => type !== "sample")) {
    await held;
    const next = student.runner.hold();
    held = student.runner.stepHeld();
    release();
    release = next;
    await held;
    await client.settled();
  }
  assert.ok(student.engine.stats().samplesRunning > 0, "some still run");
  client.send({ type: "enough", id: "q" });
  const result = await client.last("q");
  release();
  assert.equal(result.type, "result");
  assert.equal(result.stop_reason, "enough");
  assert.equal(result.samples.length, 4);
  const counted = client.of("q").filter(({ type }) => type === "sample");
  assert.equal(result.decided_at, counted.length);
  const running = result.samples.filter((sample: Json) => sample.finish_reason === "cancelled");
  assert.equal(running.length, 4 - counted.length);
  assert.ok(counted.some(({ answer }) => answer === result.answer) && result.answer !== null);
  assert.equal(student.engine.stats().samplesRunning, 0);
  assert.equal(await server.metric('magdi_request_success_total{finish_reason="stop"}'), 1);
  const lost = await server.metric('magdi_generation_tokens_discarded_total{reason="decided"}');
  assert.equal(lost, result.usage.completion_tokens_discarded);
  assert.ok(lost > 0);
});

test("enough before any sample has finished is a result without an answer", async (t) => {
  const { server, student } = await runTiny(t);
  const client = await connectSocket(t, server);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  client.ask("running", "{{x*}}", { samples: 2 });
  await held;
  client.ask("waiting", "{{x*}}", { samples: 2 });
  for (const id of ["waiting", "running", "running"]) client.send({ type: "enough", id });
  for (const id of ["waiting", "running"]) {
    const result = await client.last(id);
    assert.equal(result.answer, null);
    assert.equal(result.stop_reason, "enough");
    assert.equal(result.decided_at, 0);
  }
  release();
  await client.settled();
  assert.equal(client.of(null).length, 1, "the second enough came too late");
});

test("wrong questions are answered as over HTTP, under their id, and the connection goes on", async (t) => {
  const { server } = await runTiny(t, { contextLength: 200, config: { maxSamples: 4 } });
  const client = await connectSocket(t, server);
  const bodies: Json[] = [
    {},
    { question: 5 },
    { question: " " },
    { question: "q", samples: 5 },
    { question: "q", samples: 0 },
    { question: "q", samples: 2, temperature: 0 },
    { question: "q", temperature: 3 },
    { question: "q", sample: 3 },
    { question: "q", model: "gpt-9" },
    { question: "q", choices: ["a"] },
    { question: "q", baseline: "no-such" },
    { question: "x".repeat(500) },
  ];
  for (const [index, body] of bodies.entries()) {
    const id = `wrong-${index}`;
    client.send({ type: "reason", id, ...body });
    const frame = await client.last(id);
    const http = await server.post("/v1/reason", body);
    assert.ok(http.status >= 400);
    assert.deepEqual(frame, { type: "error", id, error: http.body.error });
  }
  const reasons = ["invalid", "unknown_model", "context_length"];
  const counts = await Promise.all(
    reasons.map((reason) => server.metric(`magdi_request_failures_total{reason="${reason}"}`)),
  );
  assert.deepEqual(counts, [20, 2, 2], "half of each over HTTP");
  client.ask("right", "Two? {{The answer is 2.}}");
  assert.equal((await client.last("right")).answer, "2");
});

test("a socket takes no stream field, no id that runs already, and no id that is not harmless", async (t) => {
  const { server, student } = await runTiny(t);
  const client = await connectSocket(t, server);
  client.ask("s", "q", { stream: true });
  assert.equal((await client.last("s")).error.param, "stream");
  const release = student.runner.hold();
  client.ask("a", "Two? {{The answer is 2.}}");
  client.ask("a", "Three? {{The answer is 3.}}");
  const twice = await client.frame(({ type, id }) => type === "error" && id === null);
  assert.equal(twice.error.param, "id");
  assert.match(twice.error.message, /already/);
  release();
  assert.equal((await client.last("a")).answer, "2");
  for (const id of [5, null, undefined, "", "a b", "é", "x".repeat(65), ["a"], { a: 1 }]) {
    for (const type of ["reason", "cancel", "enough"]) {
      const before = client.of(null).length;
      client.send({ type, id, question: "q" });
      await until(() => client.of(null).length > before);
      assert.match(client.of(null).at(-1).error.message, /^id|unknown field/);
    }
  }
  client.send({ type: "cancel", id: "gone" });
  await client.frame(({ error }) => error?.message.includes("no request gone"));
  assert.equal(client.ws.readyState, client.ws.OPEN);
});

test("a connection runs no more questions than it may, and another connection is untouched", async (t) => {
  const { server, student } = await runTiny(t, { config: { webSocketRequests: 2 } });
  const client = await connectSocket(t, server);
  const other = await connectSocket(t, server);
  const release = student.runner.hold();
  for (const id of ["a", "b", "c"]) client.ask(id, "Two? {{The answer is 2.}}");
  const { error } = await client.last("c");
  assert.equal(error.code, "too_many_requests");
  assert.equal(error.type, "rate_limit_error");
  other.ask("c", "Three? {{The answer is 3.}}");
  release();
  assert.equal((await client.last("a")).answer, "2");
  assert.equal((await client.last("b")).answer, "2");
  assert.equal((await other.last("c")).answer, "3");
  client.ask("d", "Two? {{The answer is 2.}}");
  assert.equal((await client.last("d")).answer, "2");
  assert.equal(await server.metric('magdi_request_failures_total{reason="too_many_requests"}'), 1);
});

test("behaviour 27: a full queue is an error frame like HTTP's", async (t) => {
  const { server, student } = await runTiny(t, { maxWaitingSamples: 2 });
  const client = await connectSocket(t, server);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  client.ask("runs", "Two? {{The answer is 2.}}");
  await held;
  client.ask("waits", "Two? {{The answer is 2.}}", { samples: 2 });
  client.ask("full", "Two? {{The answer is 2.}}");
  const { error } = await client.last("full");
  const http = await server.post("/v1/reason", { question: "q" });
  assert.equal(http.status, 429);
  assert.deepEqual(error, http.body.error);
  release();
  assert.equal((await client.last("waits")).answer, "2");
  assert.equal(await server.metric('magdi_request_failures_total{reason="queue_full"}'), 2);
});

test("behaviour 29: a question that waited too long is an error frame", async (t) => {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, { clock, config: { queueTimeoutMs: 5000 } });
  const client = await connectSocket(t, server);
  const release = student.runner.hold();
  const held = student.runner.stepHeld();
  client.ask("running", "Two? {{The answer is 2.}}");
  await held;
  client.ask("waiting", "Two? {{The answer is 2.}}");
  await client.settled();
  clock.advance(5001);
  const { error } = await client.last("waiting");
  assert.equal(error.code, "queue_timeout");
  release();
  assert.equal((await client.last("running")).answer, "2");
  assert.equal(await server.metric('magdi_request_failures_total{reason="queue_timeout"}'), 1);
});

test("behaviour 25: while the model loads a socket opens, and its questions are refused", async (t) => {
  let loaded: (student: ServedStudent) => void = () => {};
  const server = await runApp(t, new Promise<ServedStudent>((resolve) => (loaded = resolve)));
  const client = await connectSocket(t, server);
  client.ask("early", "q");
  assert.equal((await client.last("early")).error.code, "model_loading");
  loaded(tinyStudent());
  client.send({ type: "ping" });
  await client.settled();
  client.ask("late", "Two? {{The answer is 2.}}");
  assert.equal((await client.last("late")).answer, "2");
});

test("behaviour 39: a step that fails is an error frame without internals", async (t) => {
  const { server, student } = await runTiny(t);
  const client = await connectSocket(t, server);
  client.ask("q", "{{x*}}");
  await client.frame(({ type }) => type === "token");
  student.runner.failWith = new Error("out of numbers in /secret/path");
  const { error } = await client.last("q");
  assert.equal(error.code, "engine_failed");
  assert.doesNotMatch(JSON.stringify(error), /secret/);
  client.ask("next", "q");
  assert.equal((await client.last("next")).error.code, "engine_failed");
  assert.equal(server.app.lifecycle.active, 0);
});

test("behaviour 42: a socket's questions count exactly as HTTP's do", async (t) => {
  const bodies = [
    { question: VARIED, samples: 5, seed: 1 },
    { question: VARIED, samples: 3, seed: 2, early_stop: "off" },
    { question: "How many? {{no idea}}", task: "math", samples: 2 },
    { question: "q", samples: 0 },
  ];
  const counters = async (
    ask: (body: object, index: number) => Promise<unknown>,
    text: () => Promise<string>,
  ) => {
    for (const [index, body] of bodies.entries()) await ask(body, index);
    return (await text())
      .split("\n")
      .filter(
        (line) =>
          !line.startsWith("#") &&
          !line.startsWith("magdi_http_") &&
          !line.startsWith("magdi_open_") &&
          !line.includes("seconds") &&
          !line.includes("_delay_"),
      );
  };
  const http = await runTiny(t);
  const socket = await runTiny(t);
  const client = await connectSocket(t, socket.server);
  const metricsOf = async (url: string) => (await fetch(`${url}/metrics`)).text();
  const overHttp = await counters(
    (body) => http.server.post("/v1/reason", body),
    () => metricsOf(http.server.url),
  );
  const overSocket = await counters(
    async (body, index) => {
      client.send({ type: "reason", id: `${index}`, ...body });
      await client.last(`${index}`);
    },
    () => metricsOf(socket.server.url),
  );
  assert.deepEqual(overSocket, overHttp);
  assert.ok(overHttp.some((line) => /^magdi_answers_total\{task="math"\} 2$/.test(line)));
});
