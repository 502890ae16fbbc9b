// The metrics that dashboards rely on: their names, types and labels.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runTiny } from "./support/running-app.ts";

const GAUGES = [
  "requests_running",
  "requests_waiting",
  "samples_running",
  "kv_cache_usage_ratio",
  "model_info",
];
const COUNTERS: Record<string, string[]> = {
  prompt_tokens_total: [],
  prompt_tokens_computed_total: [],
  generation_tokens_total: [],
  generation_tokens_discarded_total: ["reason"],
  samples_total: ["outcome"],
  answers_total: ["task"],
  debate_tokens_total: ["task", "baseline"],
  vote_early_stops_total: ["rule"],
  vote_ties_total: [],
  request_success_total: ["finish_reason"],
  request_failures_total: ["reason"],
  debates_total: ["purpose", "reason"],
  debate_agent_tokens_total: ["purpose", "kind"],
  debate_usd_total: ["purpose"],
  debate_calls_total: ["purpose"],
  escalations_total: ["task", "outcome"],
  shadow_debates_total: ["task", "outcome"],
  prefix_cache_hits_total: [],
  prefix_cache_queries_total: [],
};
const HISTOGRAMS: Record<string, string[]> = {
  time_to_first_token_seconds: [],
  inter_token_latency_seconds: [],
  e2e_request_latency_seconds: [],
  request_queue_time_seconds: [],
  request_prompt_tokens: [],
  request_generation_tokens: [],
  request_samples: [],
  tokens_per_answer: ["task"],
  vote_share: [],
  decided_at_sample: [],
  debate_seconds: [],
  engine_step_seconds: ["phase"],
  batch_rows: [],
  event_loop_delay_seconds: [],
};
const LABELS = new Set(
  "model endpoint task reason outcome rule finish_reason phase baseline state status key kind version node purpose le".split(
    " ",
  ),
);

test("every metric of the contract is there, under its name, type and labels, and no label is open to clients", async (t) => {
  const { server } = await runTiny(t);
  await server.post("/v1/reason", { question: "How many are 2 + 2? {{The answer is 4.}}", samples: 3 });
  await server.get(`/${"x".repeat(50)}`);
  const text: string = (await server.get("/metrics")).body;
  const typeOf = (name: string) => new RegExp(`^# TYPE magdi_${name} (\\w+)$`, "m").exec(text)?.[1];
  const labelsOf = (series: string) => {
    const line = new RegExp(`^magdi_${series}(?:\\{(.*)\\})? `, "m").exec(text);
    assert.ok(line, `no series ${series}`);
    return [...(line[1] ?? "").matchAll(/(\w+)="/g)].map((match) => match[1]);
  };
  for (const name of GAUGES) assert.equal(typeOf(name), "gauge", name);
  for (const [name, labels] of Object.entries(COUNTERS)) {
    assert.equal(typeOf(name), "counter", name);
    assert.deepEqual(labelsOf(name), labels, name);
  }
  for (const [name, labels] of Object.entries(HISTOGRAMS)) {
    assert.equal(typeOf(name), "histogram", name);
    assert.deepEqual(labelsOf(`${name}_count`), labels, name);
  }
  for (const [, labels] of text.matchAll(/^magdi_\w+\{(.*)\} /gm)) {
    for (const [, label] of labels!.matchAll(/(\w+)="/g)) assert.ok(LABELS.has(label!), label);
  }
  assert.doesNotMatch(text, /xxxx/, "a path that nobody has is counted as other");
});
