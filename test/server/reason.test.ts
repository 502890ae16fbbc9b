// POST /v1/reason over real sockets: votes, early stops, frames, seeds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, runTiny } from "./support/running-app.ts";

const MATH = { question: "How many are 2 + 2? {{So: The answer is 4.}}" };
const VARIED = { question: "How many are 2 + 2? {{The answer is [4457].}}" };

test("a question is answered with its task, usage, comparison and seed", async (t) => {
  const { server } = await runTiny(t);
  const { status, body, headers } = await server.post("/v1/reason", MATH);
  assert.equal(status, 200, JSON.stringify(body));
  assert.ok(headers.get("x-request-id"));
  assert.equal(body.answer, "4");
  assert.equal(body.task, "math");
  assert.equal(body.model, "tiny");
  assert.equal(body.reasoning, "So: The answer is 4.");
  assert.deepEqual(body.votes, [{ answer: "4", count: 1, weight: 1, share: 1 }]);
  assert.equal(body.decided_at, 1);
  assert.equal(body.stop_reason, "complete");
  assert.equal(body.samples, undefined);
  assert.equal(body.usage.completion_tokens, "So: The answer is 4.".length + 1);
  assert.equal(body.usage.total_tokens, body.usage.prompt_tokens + body.usage.completion_tokens);
  assert.equal(body.comparison.baseline, "gsm8k");
  assert.ok(Number.isSafeInteger(body.seed));
  assert.ok(body.timing.total_ms >= 0);
});

test("choices, texts without labels and a named baseline", async (t) => {
  const { server } = await runTiny(t);
  const { body } = await server.post("/v1/reason", {
    question: "Where do fish live? {{The answer is (B).}}",
    choices: ["air", "water"],
    baseline: "arc-challenge",
  });
  assert.equal(body.task, "multiple-choice");
  assert.equal(body.answer, "B");
  assert.equal(body.comparison.baseline, "arc-challenge");
  assert.equal(body.comparison.tokens, 448.3);
});

test("exact early stopping cancels the rest, whose tokens count as discarded", async (t) => {
  const { server, student } = await runTiny(t);
  const { body } = await server.post("/v1/reason", {
    question: "How many? {{The answer is 4.[..................  ] more}}",
    samples: 5,
    seed: 1,
    return_samples: true,
    max_tokens: 40,
  });
  assert.equal(body.stop_reason, "exact");
  assert.ok(body.decided_at < 5);
  assert.equal(body.samples.length, 5);
  const cancelled = body.samples.filter((sample: Json) => sample.finish_reason === "cancelled");
  assert.equal(cancelled.length, 5 - body.decided_at);
  const discarded = cancelled.reduce((sum: number, sample: Json) => sum + sample.tokens, 0);
  assert.equal(body.usage.completion_tokens_discarded, discarded);
  assert.equal(student.engine.stats().samplesRunning, 0);
});

test("a streamed answer sends its frames in order and ends with [DONE]", async (t) => {
  const { server } = await runTiny(t);
  const body = { ...VARIED, samples: 3, seed: 3, early_stop: "off", return_samples: true };
  const events = await server.stream("/v1/reason", body);
  assert.equal(events[0]?.event, "accepted");
  assert.equal(events.at(-1)?.data, "[DONE]");
  const result = events.at(-2);
  assert.equal(result?.event, "result");
  assert.equal(new Set(events.slice(0, -1).map(({ data }) => data.id)).size, 1);
  assert.ok(events.slice(0, -1).every(({ event, data }) => data.type === event));
  for (const sample of result?.data.samples ?? []) {
    const tokens = events.filter(({ event, data }) => event === "token" && data.sample === sample.index);
    assert.equal(tokens.map(({ data }) => data.text).join(""), sample.text);
  }
  assert.equal(events.filter(({ event }) => event === "sample").length, 3);
  const votes = events.filter(({ event }) => event === "vote");
  assert.deepEqual(
    votes.map(({ data }) => data.remaining),
    [2, 1, 0],
  );
  assert.deepEqual(votes.at(-1)?.data.votes, result?.data.votes);

  const whole = await server.post("/v1/reason", body);
  for (const key of ["answer", "votes", "samples", "usage", "seed"]) {
    assert.deepEqual(result?.data[key], whole.body[key], key);
  }
});
