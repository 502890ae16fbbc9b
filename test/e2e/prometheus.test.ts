// A real Prometheus scrapes a running server, and its answers are the client's own count.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Json } from "../server/support/running-app.ts";
import { missing, queryPrometheus, startPrometheus } from "../support/prometheus-tools.ts";
import { post, ServeProcess, TINY } from "./serve-process.ts";

const RULES = fileURLToPath(new URL("../../deploy/prometheus", import.meta.url));
const SCRAPE_MS = 100;
const GIVE_UP_MS = 30_000;

/** A Prometheus that scrapes `target` until the test ends; gives its address. */
function scrape(t: TestContext, target: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "magdi-prometheus-"));
  // JSON is YAML.
  const config = {
    global: { scrape_interval: `${SCRAPE_MS}ms`, evaluation_interval: `${SCRAPE_MS}ms` },
    rule_files: [`${RULES}/recording.yaml`, `${RULES}/alerts.yaml`],
    scrape_configs: [{ job_name: "magdi", static_configs: [{ targets: [target] }] }],
  };
  writeFileSync(join(folder, "prometheus.yaml"), JSON.stringify(config));
  const started = startPrometheus(t, join(folder, "prometheus.yaml"), join(folder, "data"));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return started;
}

/** The values of an instant query, by their labels. */
async function query(prometheus: string, promql: string): Promise<number[]> {
  const found = (await queryPrometheus(prometheus, promql)) ?? [];
  return found.map(({ values }) => Number(values[0]?.[1]));
}

/** Asks until the answer is `expected`: a scrape comes when it comes. */
async function eventually(prometheus: string, promql: string, expected: readonly number[]): Promise<void> {
  const giveUp = AbortSignal.timeout(GIVE_UP_MS);
  let found: number[] = [];
  while (!giveUp.aborted) {
    found = await query(prometheus, promql);
    if (found.length === expected.length && found.every((value, i) => Math.abs(value - expected[i]!) < 1e-9))
      return;
    await wait(SCRAPE_MS);
  }
  assert.deepEqual(found, expected, promql);
}

test("behaviour 42: Prometheus scrapes the server and counts what the client counted", {
  skip: missing("prometheus"),
}, async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0"]);
  const url = await server.ready();
  const prometheus = await scrape(t, new URL(url).host);
  await eventually(prometheus, 'up{job="magdi"}', [1]);
  await eventually(prometheus, "magdi_generation_tokens_total", [0]);

  let prompt = 0;
  let generated = 0;
  let debates = 0;
  let answers = 0;
  for (let seed = 0; seed < 4; seed++) {
    const question = "How many are 2 + 2? {{The answer is [45][. ][. ].}}";
    const body: Json = await (await post(url, "/v1/reason", { question, samples: 5, seed })).json();
    prompt += body.usage.prompt_tokens;
    generated += body.usage.completion_tokens;
    debates += body.comparison.tokens;
    answers++;
  }
  const chat = { messages: [{ role: "user", content: "{{abcdef}}" }], n: 2 };
  const { usage }: Json = await (await post(url, "/v1/chat/completions", chat)).json();
  prompt += usage.prompt_tokens;
  generated += usage.completion_tokens;
  assert.equal((await post(url, "/v1/reason", { question: "" })).status, 400);

  await eventually(prometheus, "magdi_generation_tokens_total", [generated]);
  await eventually(prometheus, "magdi_prompt_tokens_total", [prompt]);
  await eventually(prometheus, "sum(magdi_answers_total)", [answers]);
  await eventually(prometheus, "sum(magdi_request_success_total)", [answers + 1]);
  await eventually(prometheus, 'magdi_request_failures_total{reason="invalid"}', [1]);
  await eventually(prometheus, 'magdi_engine_state{state="ready"}', [1]);
  await eventually(prometheus, "magdi_decided_at_sample_count", [answers]);
  await eventually(
    prometheus,
    "sum(magdi_debate_tokens_total) / (sum(magdi_prompt_tokens_total) + sum(magdi_generation_tokens_total))",
    [debates / (prompt + generated)],
  );
  await eventually(prometheus, 'count(ALERTS{alertname=~"Magdi.*", alertstate="firing"}) or vector(0)', [0]);

  // The recording rules run over what was scraped.
  const giveUp = AbortSignal.timeout(GIVE_UP_MS);
  let efficiency: number[] = [];
  while (!(efficiency[0]! > 0) && !giveUp.aborted) {
    efficiency = await query(prometheus, "magdi:token_efficiency:ratio_rate1h");
    await wait(SCRAPE_MS);
  }
  assert.equal(efficiency.length, 1);
  assert.ok(efficiency[0]! > 0, `token efficiency is ${efficiency[0]}`);

  const targets: Json = await (await fetch(`${prometheus}/api/v1/targets`)).json();
  assert.deepEqual(
    targets.data.activeTargets.map((target: { health: string; lastError: string }) => [
      target.health,
      target.lastError,
    ]),
    [["up", ""]],
  );
});
