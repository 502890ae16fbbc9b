// Behaviour 42: after known requests the metrics say exactly what happened.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, runTiny } from "./support/running-app.ts";

test("behaviour 42: exact arithmetic after known requests", async (t) => {
  const { server } = await runTiny(t);
  const bodies: Json[] = [];
  for (let seed = 0; seed < 4; seed++) {
    const { body } = await server.post("/v1/reason", {
      question: "How many are 2 + 2? {{The answer is [45][. ][. ].}}",
      samples: 5,
      seed,
    });
    bodies.push(body);
  }
  const unread = await server.post("/v1/reason", { question: "How many are 2? {{hm}}", samples: 2 });
  const chat = await server.post("/v1/chat/completions", {
    messages: [{ role: "user", content: "{{abcdef}}" }],
    n: 2,
    max_tokens: 3,
  });
  const streamed = await server.stream("/v1/completions", { prompt: "{{ab}}" });
  assert.equal(streamed.at(-1)?.data, "[DONE]");
  await server.post("/v1/reason", { question: "" });
  await server.post("/v1/reason", { question: "x", model: "other" });

  const voted = [...bodies, unread.body];
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const usage = (field: string) => sum(voted.map((body) => body.usage[field]));
  const textPrompt = Buffer.from("{{ab}}").length;
  const expected: [string, number][] = [
    ["prompt_tokens_total", usage("prompt_tokens") + chat.body.usage.prompt_tokens + textPrompt],
    [
      "prompt_tokens_computed_total",
      usage("prompt_tokens_computed") + chat.body.usage.prompt_tokens + textPrompt,
    ],
    ["generation_tokens_total", usage("completion_tokens") + 6 + 3],
    ['generation_tokens_discarded_total{reason="decided"}', usage("completion_tokens_discarded")],
    ['generation_tokens_discarded_total{reason="disconnect"}', 0],
    ['answers_total{task="math"}', 4],
    ['debate_tokens_total{task="math",baseline="gsm8k"}', 4 * 642.3],
    ['vote_early_stops_total{rule="exact"}', bodies.filter((body) => body.stop_reason === "exact").length],
    ['request_success_total{finish_reason="stop"}', 6],
    ['request_success_total{finish_reason="length"}', 1],
    ['request_failures_total{reason="invalid"}', 1],
    ['request_failures_total{reason="unknown_model"}', 1],
    ['samples_total{outcome="unparsed"}', 2],
    ['samples_total{outcome="length"}', 2],
    ['samples_total{outcome="answered"}', sum(bodies.map((body) => body.decided_at)) + 1],
    ['samples_total{outcome="aborted"}', sum(bodies.map((body) => 5 - body.decided_at))],
    ["request_samples_sum", 4 * 5 + 2 + 2 + 1],
    ["request_samples_count", 7],
    ["e2e_request_latency_seconds_count", 7],
    ["time_to_first_token_seconds_count", 7],
    ["request_queue_time_seconds_count", 7],
    ["decided_at_sample_count", 5],
    ["decided_at_sample_sum", sum(voted.map((body) => body.decided_at))],
    ["vote_share_count", 4],
    ['tokens_per_answer_count{task="math"}', 4],
    ['tokens_per_answer_count{task="yes-no"}', 0],
    ['tokens_per_answer_sum{task="math"}', sum(bodies.map((body) => body.usage.total_tokens))],
    ["request_generation_tokens_sum", usage("completion_tokens") + 6 + 3],
    ["requests_running", 0],
    ["samples_running", 0],
    ['model_info{model="tiny"}', 1],
  ];
  for (const [series, value] of expected) {
    const found = await server.metric(`magdi_${series}`);
    assert.ok(Math.abs(found - value) < 1e-6, `${series}: expected ${value}, found ${found}`);
  }
  assert.ok(usage("completion_tokens_discarded") > 0, "some vote must have stopped early");
  assert.ok((await server.metric('magdi_engine_step_seconds_count{phase="decode"}')) > 0);
  assert.ok((await server.metric("magdi_batch_rows_sum")) > 0);
});
