// Samples in waves over real sockets: whole, streamed, on the WebSocket and through the typed client.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiClient } from "../../src/client/index.ts";
import { reasonResponse } from "../../src/server/reason/schema.ts";
import { assertShape } from "./support/openai-shapes.ts";
import { type Json, runTiny } from "./support/running-app.ts";
import { connectSocket } from "./support/socket-client.ts";
import { until } from "./support/until.ts";

const REASON = "/v1/reason";
const FOUR = { question: "How many are 2 + 2? {{The answer is 4.}}", samples: 5, seed: 1 };
const VARIED = { question: "How many are 2 + 2? {{So [ab] the answer is [4457].}}", samples: 7, seed: 3 };

test("three of five that agree are an answer, and say how many samples ran", async (t) => {
  const { server } = await runTiny(t);
  const { status, body } = await server.post(REASON, { ...FOUR, wave: 3, return_samples: true });
  assert.equal(status, 200, JSON.stringify(body));
  assertShape(reasonResponse, body);
  assert.deepEqual([body.answer, body.stop_reason, body.decided_at, body.samples_run], ["4", "exact", 3, 3]);
  assert.deepEqual(
    body.samples.map(({ tokens, finish_reason }: Json) => [tokens > 0, finish_reason]),
    [
      ...Array.from({ length: 3 }, () => [true, "stop"]),
      ...Array.from({ length: 2 }, () => [false, "cancelled"]),
    ],
  );
  const { prompt_tokens, prompt_tokens_computed, completion_tokens, total_tokens } = body.usage;
  assert.equal(completion_tokens, 3 * body.samples[0].tokens);
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
  assert.equal(prompt_tokens_computed, prompt_tokens);
  assert.equal(await server.metric("magdi_generation_tokens_total"), completion_tokens);
  assert.equal(await server.metric('magdi_vote_early_stops_total{rule="exact"}'), 1);
  const { body: plain } = await server.post(REASON, FOUR);
  assert.equal(plain.samples_run, undefined);
});

test("the prompt counts once in usage and metrics, though more than one wave has needed it", async (t) => {
  const { server } = await runTiny(t, { prefixCacheTokens: 512 });
  const asked = { ...VARIED, wave: 2, temperature: 1, vote: "confidence", return_samples: true };
  const sum = { prompt: 0, computed: 0, completion: 0 };
  let waves = 0;
  for (let seed = 0; seed < 5; seed++) {
    const { body } = await server.post(REASON, { ...asked, seed });
    sum.prompt += body.usage.prompt_tokens;
    sum.computed += body.usage.prompt_tokens_computed;
    sum.completion += body.usage.completion_tokens;
    waves += Math.ceil(body.samples_run / 2);
    const generated = body.samples.reduce((total: number, { tokens }: Json) => total + tokens, 0);
    assert.equal(body.usage.completion_tokens, generated);
  }
  assert.ok(waves > 5);
  assert.ok(sum.computed < sum.prompt, "the prefix of the second question is the first one's");
  assert.equal(await server.metric("magdi_prompt_tokens_total"), sum.prompt);
  assert.equal(await server.metric("magdi_prompt_tokens_computed_total"), sum.computed);
  assert.equal(await server.metric("magdi_generation_tokens_total"), sum.completion);
});

test("streamed, on the socket and through the client it is the same answer, and the same texts as without waves", async (t) => {
  const { server } = await runTiny(t);
  const client = new MagdiClient({ baseUrl: server.url });
  const socket = await connectSocket(t, server);
  for (let seed = 0; seed < 6; seed++) {
    const asked = { ...VARIED, seed, temperature: 1, return_samples: true } as const;
    const { body: full } = await server.post(REASON, { ...asked, early_stop: "off" });
    const waved = { ...asked, wave: 2 };
    const { body: whole } = await server.post(REASON, waved);
    const frames = (await server.stream(REASON, waved)).slice(0, -1).map(({ data }) => data);
    const { question, ...fields } = waved;
    socket.ask(`q${seed}`, question, fields);
    const answers = [frames.at(-1), await socket.last(`q${seed}`), await client.reason(waved)];
    for (const { answer, votes, usage, samples, samples_run, decided_at } of answers) {
      assert.deepEqual(
        { answer, votes, usage, samples, samples_run, decided_at },
        {
          ...{ answer: whole.answer, votes: whole.votes, usage: whole.usage, samples: whole.samples },
          ...{ samples_run: whole.samples_run, decided_at: whole.decided_at },
        },
      );
    }
    assert.equal(whole.answer, full.answer);
    for (const sample of whole.samples as Json[]) {
      if (sample.finish_reason === "stop") assert.deepEqual(sample, full.samples[sample.index]);
      else assert.ok(full.samples[sample.index].text.startsWith(sample.text));
    }
    for (const told of [frames, socket.of(`q${seed}`)]) {
      const remaining = told.filter(({ type }) => type === "vote").map((vote: Json) => vote.remaining);
      assert.deepEqual(
        remaining,
        remaining.map((_, place) => 6 - place),
      );
      // A wave says nothing before all of the one before has been counted.
      const firstOf = (sample: number) =>
        told.findIndex((frame) => frame.type === "token" && frame.sample === sample);
      const countedOf = (sample: number) =>
        told.findIndex((frame) => frame.type === "sample" && frame.sample === sample);
      if (whole.samples_run > 2) assert.ok(firstOf(2) > Math.max(countedOf(0), countedOf(1)));
    }
  }
});

test("a client that leaves in a later wave takes all of them along", async (t) => {
  const { server, student } = await runTiny(t);
  const client = await connectSocket(t, server);
  // Nothing to count, so that there is always another wave.
  const asked = { question: "Hm? {{[xyz] who knows}}", task: "math", samples: 16, wave: 2 };
  const { question, ...fields } = asked;
  client.ask("q", question, fields);
  await client.frame(({ type, sample }) => type === "token" && sample === 3);
  client.ws.terminate();
  await until(() => student.engine.stats().requestsRunning === 0 && server.app.lifecycle.active === 0);
  assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 1);
  const aborted = await server.metric('magdi_samples_total{outcome="aborted"}');
  const unparsed = await server.metric('magdi_samples_total{outcome="unparsed"}');
  assert.equal(aborted + unparsed, 16);
  assert.ok(unparsed >= 2 && aborted >= 2, `${unparsed} ran, ${aborted} did not`);
  assert.equal(await server.metric("magdi_samples_running"), 0);
});

test("what is wrong with a wave is a 400 that names it", async (t) => {
  const { server } = await runTiny(t);
  for (const fields of [
    { wave: 0 },
    { wave: 1.5 },
    { wave: "3" },
    { wave: 1e9 },
    { wave: 3, early_stop: "off" },
  ]) {
    const { status, body } = await server.post(REASON, { ...FOUR, ...fields });
    assert.deepEqual([status, body.error.param], [400, "wave"], JSON.stringify(fields));
  }
  const { body } = await server.post(REASON, { ...FOUR, wave: 3, early_stop: "off" });
  assert.match(body.error.message, /leave it out, or stop early/);
});
