// Behaviour 42 at large: whatever way requests end, the metrics equal the client's own count, and their sums balance.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../support/manual-clock.ts";
import { type Json, type RunningApp, runTiny } from "./support/running-app.ts";
import { until } from "./support/until.ts";

const CHAT = "/v1/chat/completions";
const REASON = "/v1/reason";
const chat = (content: string, fields: object = {}) => ({ messages: [{ role: "user", content }], ...fields });

/** All series by name and labels as they are written. */
async function scrape(server: RunningApp): Promise<(series: string) => number> {
  const text: string = (await server.get("/metrics")).body;
  const values = new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
  return (series) => {
    const value = values.get(`magdi_${series}`);
    if (value !== undefined) return value;
    const family = [...values].filter(([name]) => name.startsWith(`magdi_${series}{`));
    assert.ok(family.length > 0, `no metric ${series}`);
    return family.reduce((sum, [, each]) => sum + each, 0);
  };
}

test("behaviour 42: every way to end, each equal to the client's own count", async (t) => {
  const clock = new ManualClock();
  const { server, student } = await runTiny(t, {
    clock,
    maxWaitingSamples: 8,
    config: { requestTimeoutMs: 60_000, queueTimeoutMs: 20_000 },
  });
  const usages: Json[] = [];
  const answered: Json[] = [];
  const note = (usage: Json) => usages.push(usage);

  // Whole and streamed, by both kinds of route.
  for (let seed = 0; seed < 3; seed++) {
    const question = "How many are 2 + 2? {{The answer is [45][. ][. ].}}";
    const whole = await server.post(REASON, { question, samples: 5, seed });
    note(whole.body.usage);
    answered.push(whole.body);
    const events = await server.stream(REASON, { question, samples: 5, seed, early_stop: "off" });
    const result = events.find(({ event }) => event === "result")?.data;
    note(result.usage);
    answered.push(result);
  }
  note((await server.post(CHAT, chat("{{abcdef}}", { n: 3, max_tokens: 4 }))).body.usage);
  note((await server.post("/v1/completions", { prompt: ["{{ab}}", "{{cde}}"], n: 2 })).body.usage);
  const streamed = await server.stream(
    CHAT,
    chat("{{xyz}}", { n: 2, stream_options: { include_usage: true } }),
  );
  note(streamed.at(-2)?.data.usage);

  // Refused before any work.
  const refused: [number, Json][] = [
    [400, chat("{{x}}", { temperature: 9 })],
    [400, { messages: [] }],
    [400, chat("x".repeat(2000))],
    [404, chat("{{x}}", { model: "other" })],
  ];
  for (const [status, body] of refused) assert.equal((await server.post(CHAT, body)).status, status);

  // A full line, a wait that is too long, a client that goes away, and a deadline, with the model held still.
  const steps = student.runner.decodeSteps;
  const gone = new AbortController();
  const lost = server.send(CHAT, chat("{{x*}}", { n: 2, max_tokens: 400 }), { signal: gone.signal });
  lost.catch(() => {});
  await until(() => student.runner.decodeSteps >= steps + 3);
  let release = student.runner.hold();
  await student.runner.stepHeld();
  const lostTokens = 2 * (student.runner.decodeSteps - steps + 1);
  const late = server.post(CHAT, chat("{{x}}", { n: 8 }));
  await until(() => student.engine.stats().samplesWaiting === 8);
  assert.equal((await server.post(REASON, { question: "{{x}}" })).status, 429);
  clock.advance(20_001);
  assert.equal((await late).body.error.code, "queue_timeout");
  gone.abort();
  await until(() => student.engine.stats().samplesRunning === 0);
  release();
  await until(() => student.engine.stats().requestsRunning === 0 && server.app.lifecycle.active === 0);

  const before = student.runner.decodeSteps;
  const slow = server.post(REASON, { question: "{{x*}}", samples: 2, max_tokens: 300 });
  await until(() => student.runner.decodeSteps >= before + 3);
  release = student.runner.hold();
  await student.runner.stepHeld();
  clock.advance(60_000);
  release();
  const aborted = (await slow).body;
  assert.equal(aborted.stop_reason, "abort");
  note(aborted.usage);

  const sum = (field: string) => usages.reduce((total, usage) => total + usage[field], 0);
  const value = await scrape(server);
  const lostPrompt = value("prompt_tokens_total") - sum("prompt_tokens");
  assert.ok(lostPrompt > 0, "the lost request's prompt was computed");
  const discarded = value('generation_tokens_discarded_total{reason="disconnect"}');
  assert.equal(discarded, lostTokens);
  assert.equal(value("generation_tokens_total"), sum("completion_tokens") + lostTokens);
  const early = answered.filter((body) => body.stop_reason === "exact");
  assert.ok(early.length > 0 && early.length < answered.length);
  const tokensOf = (bodies: Json[]) =>
    bodies.reduce((total, body) => total + body.usage.completion_tokens_discarded, 0);
  assert.equal(value('generation_tokens_discarded_total{reason="decided"}'), tokensOf(answered));
  assert.equal(
    value('generation_tokens_discarded_total{reason="deadline"}'),
    aborted.usage.completion_tokens,
  );

  const failures: Record<string, number> = {
    invalid: 2,
    context_length: 1,
    unknown_model: 1,
    queue_full: 1,
    queue_timeout: 1,
    disconnect: 1,
  };
  for (const [reason, count] of Object.entries(failures)) {
    assert.equal(value(`request_failures_total{reason="${reason}"}`), count, reason);
  }
  assert.equal(value("request_failures_total"), 7, "and no other");
  assert.equal(value('request_success_total{finish_reason="stop"}'), 8);
  assert.equal(value('request_success_total{finish_reason="length"}'), 1);
  assert.equal(value('request_success_total{finish_reason="abort"}'), 1);
  // The scrape that the values come from is not yet over.
  assert.equal(value("http_responses_total"), 17);
  assert.equal(value(`http_responses_total{endpoint="${CHAT}",status="499"}`), 1);
  assert.equal(value(`http_responses_total{endpoint="${REASON}",status="429"}`), 1);
  assert.equal(value('key_requests_total{key="anybody"}'), 6 + 3 + 1 + 1 + 1);

  // The sums balance among themselves.
  assert.equal(value("samples_total"), value("request_samples_sum"));
  assert.equal(value("request_generation_tokens_sum"), value("generation_tokens_total"));
  assert.equal(value('key_tokens_total{key="anybody",kind="generation"}'), value("generation_tokens_total"));
  assert.equal(value('key_tokens_total{key="anybody",kind="prompt"}'), value("prompt_tokens_total"));
  assert.equal(value("prompt_tokens_computed_total"), value("prompt_tokens_total") - reused(usages));
  assert.equal(value("answers_total"), value("vote_share_count"));
  assert.equal(
    value("tokens_per_answer_sum"),
    answered.reduce((all, body) => all + body.usage.total_tokens, 0),
  );
  assert.equal(
    value("debate_tokens_total"),
    answered.reduce((all, body) => all + body.comparison.tokens, 0),
  );
  for (const gauge of ["requests_running", "requests_waiting", "samples_running", "kv_cache_usage_ratio"]) {
    assert.equal(value(gauge), 0, gauge);
  }
});

function reused(usages: readonly Json[]): number {
  return usages.reduce(
    (sum, { prompt_tokens, prompt_tokens_computed, prompt_tokens_details }) =>
      sum + (prompt_tokens_details?.cached_tokens ?? prompt_tokens - prompt_tokens_computed),
    0,
  );
}

test("behaviour 42: tokens are counted as they come, not when their request ends", async (t) => {
  const { server, student } = await runTiny(t);
  const pending = server.post(CHAT, chat("{{x*}}", { max_tokens: 50 }));
  await until(() => student.runner.decodeSteps >= 5);
  const release = student.runner.hold();
  await student.runner.stepHeld();
  const value = await scrape(server);
  assert.equal(value("generation_tokens_total"), student.runner.decodeSteps + 1);
  assert.equal(value("request_generation_tokens_count"), 0);
  release();
  assert.equal((await pending).body.usage.completion_tokens, 50);
  assert.equal(await server.metric("magdi_generation_tokens_total"), 50);
});

test("OpenMetrics is written for who asks for it, with the same numbers", async (t) => {
  const { server } = await runTiny(t);
  await server.post(CHAT, chat("{{abc}}"));
  const accept = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
  const open = await fetch(`${server.url}/metrics`, { headers: { accept } });
  assert.match(open.headers.get("content-type") ?? "", /^application\/openmetrics-text; version=1\.0\.0/);
  const text = await open.text();
  assert.match(text, /^# TYPE magdi_generation_tokens counter$/m);
  assert.match(text, /^magdi_generation_tokens_total 4$/m);
  assert.ok(text.endsWith("# EOF\n"));
  const plain = await fetch(`${server.url}/metrics`, { headers: { accept: "text/plain" } });
  assert.match(plain.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.match(await plain.text(), /^# TYPE magdi_generation_tokens_total counter$/m);
});
