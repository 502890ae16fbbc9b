// Grafana's board: well-formed, over the data source that is provisioned, and of queries that a Prometheus with the
// composed configuration answers with data, once a server of ours has answered requests of every kind.
import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { post, ServeProcess, TINY } from "../e2e/serve-process.ts";
import type { Json } from "../server/support/running-app.ts";
import { missing, queryPrometheus, type Series, startPrometheus } from "../support/prometheus-tools.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { type BoardQuery, GrafanaBoard } from "./support/grafana-board.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy", import.meta.url));
const read = (name: string) => readFileSync(path.join(DEPLOY, name), "utf8");
const board = new GrafanaBoard(path.join(DEPLOY, "grafana/dashboards/magdi.json"));
const scratch = scratchFolder();
const SCRAPE_MS = 200;
const GIVE_UP_MS = 120_000;
/** Of the data source, and an hour on a panel of usual width. */
const TIMES = {
  scrapeSeconds: Number(
    /timeInterval: (\d+)s/.exec(read("grafana/provisioning/datasources/prometheus.yaml"))?.[1],
  ),
  shownSeconds: 3600,
  points: 1000,
};

test("the board shows what operators ask for, panel beside panel, each explained", () => {
  const { json } = board;
  assert.deepEqual([json.uid, json.title], ["magdi", "magdi"]);
  const ids = json.panels.map(({ id }: Json) => id);
  assert.equal(new Set(ids).size, ids.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of json.panels) {
    const { x, y, w, h } = gridPos;
    assert.ok(x >= 0 && x + w <= 24, `${title} is wider than the board`);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        assert.ok(!taken.has(`${column},${line}`), `${title} lies over another panel`);
        taken.add(`${column},${line}`);
      }
    }
  }
  const panels = board.panels();
  for (const { title, description, fieldConfig, targets } of panels) {
    assert.ok(description?.length > 10, `${title} says nothing of itself`);
    assert.ok(fieldConfig.defaults.unit !== undefined || title.startsWith("First token, all"), title);
    assert.ok(targets.length > 0, title);
  }
  const text = JSON.stringify(panels);
  for (const metric of [
    "generation_tokens_total",
    "request_success_total",
    "time_to_first_token_seconds_bucket",
    "inter_token_latency_seconds_bucket",
    "e2e_request_latency_seconds_bucket",
    "requests_waiting",
    "samples_waiting",
    "kv_cache_usage_ratio",
    "prefix_cache_hits_total",
    "tokens_per_answer_sum",
    "debate_tokens_total",
    "vote_early_stops_total",
    "generation_tokens_discarded_total",
    "request_failures_total",
    "event_loop_delay_seconds_bucket",
  ])
    assert.ok(text.includes(`magdi_${metric}`), `no panel shows magdi_${metric}`);
  for (const other of ["process_resident_memory_bytes", "magdi:token_efficiency:ratio_rate1h"])
    assert.ok(text.includes(other), `no panel shows ${other}`);
});

test("everything on the board asks the data source that is provisioned", () => {
  const source = read("grafana/provisioning/datasources/prometheus.yaml");
  const field = (name: string) => new RegExp(`^ *(?:- )?${name}: (.*)$`, "m").exec(source)?.[1];
  const [variable] = board.json.templating.list;
  assert.deepEqual(
    [variable.name, variable.type, variable.query],
    ["datasource", "datasource", field("type")],
  );
  assert.equal(variable.current.value, field("uid"));
  const expected = { type: field("type"), uid: `\${${variable.name}}` };
  const asking = [...board.panels(), ...board.variables(), ...board.json.annotations.list];
  for (const { datasource } of [...asking, ...board.panels().flatMap(({ targets }) => targets)])
    assert.deepEqual(datasource, expected);
});

/** The composed configuration, with another target and shorter intervals; gives the file. */
function configurationFor(target: string): string {
  const folder = path.join(scratch, "prometheus");
  cpSync(path.join(DEPLOY, "prometheus"), folder, { recursive: true });
  let text = read("prometheus/compose.yaml");
  for (const [from, to] of [
    ['"server:8080"', `"${target}"`],
    ["scrape_interval: 15s", `scrape_interval: ${SCRAPE_MS}ms`],
    ["evaluation_interval: 15s", `evaluation_interval: ${SCRAPE_MS}ms`],
  ] as const) {
    assert.equal(text.split(from).length, 2, `compose.yaml has ${from} once`);
    text = text.replace(from, to);
  }
  writeFileSync(path.join(folder, "compose.yaml"), text);
  return path.join(folder, "compose.yaml");
}

const hasValue = (series: readonly Series[] | null) =>
  series?.some(({ values }) => values.some(([, value]) => Number.isFinite(Number(value)))) ?? false;

test("each query of the board finds data", { skip: missing("prometheus") }, async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--prefix-cache-tokens", "2048"]);
  const url = await server.ready();
  const target = new URL(url).host;
  const prometheus = await startPrometheus(t, configurationFor(target), path.join(scratch, "data"));
  const giveUp = AbortSignal.timeout(GIVE_UP_MS);
  const start = Date.now() / 1000;
  const range = () => ({ start, end: Date.now() / 1000, step: 1 });
  // Rates begin with what was scraped before.
  while (!hasValue(await queryPrometheus(prometheus, 'rate(magdi_key_tokens_total{job="magdi"}[1m])'))) {
    assert.ok(!giveUp.aborted, "Prometheus has not scraped the server twice");
    await wait(SCRAPE_MS);
  }
  await askEverything(url);

  const choices = [
    { job: null, instance: null },
    { job: ["magdi"], instance: [target] },
    { job: ["magdi", "other"], instance: [target, "elsewhere:1"] },
  ];
  const queries = choices.flatMap((chosen) => board.queries(TIMES, chosen));
  assert.ok(queries.length > 150, `${queries.length} queries`);
  let without: BoardQuery[] = queries;
  while (without.length > 0 && !giveUp.aborted) {
    await wait(SCRAPE_MS);
    const found = await Promise.all(
      without.map(({ promql, instant }) =>
        queryPrometheus(prometheus, promql, instant ? undefined : range()),
      ),
    );
    without = without.filter((_, i) => !hasValue(found[i] ?? null));
  }
  assert.deepEqual(without, []);

  for (const { name, expr } of board.json.annotations.list) {
    const promql = board.interpolate(expr, TIMES, { job: null, instance: null });
    assert.notEqual(await queryPrometheus(prometheus, promql, range()), null, name);
  }
  for (const { name, query } of board.variables()) {
    const [, metric = "", label = ""] = /^label_values\((.*), (\w+)\)$/.exec(query.query) ?? [];
    const match = board.interpolate(metric, TIMES, { job: null, instance: null });
    const asked = new URLSearchParams({ "match[]": match });
    const { data }: Json = await (await fetch(`${prometheus}/api/v1/label/${label}/values?${asked}`)).json();
    assert.deepEqual(data, [name === "job" ? "magdi" : target]);
  }
});

/** Requests of every kind that the board counts. */
async function askEverything(url: string): Promise<void> {
  const status = async (route: string, body: object) => {
    const response = await post(url, route, body);
    await response.text();
    return response.status;
  };
  const question = "How many are 2 + 2? {{The answer is [45][. ][. ].}}";
  const found: number[] = [];
  for (let seed = 0; seed < 3; seed++)
    for (const early_stop of ["exact", "adaptive"])
      found.push(await status("/v1/reason", { question, samples: 8, seed, early_stop, task: "math" }));
  found.push(await status("/v1/reason", { question, samples: 3, stream: true }));
  const messages = [{ role: "user", content: "{{abcdef}}" }];
  found.push(await status("/v1/chat/completions", { messages, n: 2 }));
  found.push(await status("/v1/completions", { prompt: "{{abcdef}}", max_tokens: 3 }));
  found.push(await status("/v1/reason", { question: "" }));
  assert.deepEqual(found, [200, 200, 200, 200, 200, 200, 200, 200, 200, 400]);
}
