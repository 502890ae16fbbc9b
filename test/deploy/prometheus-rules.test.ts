// The rules and alerts that are shipped: well-formed, right in what they compute, and of metrics that there are.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Metrics } from "../../src/server/observation/metrics.ts";
import { FAILURE_REASONS } from "../../src/server/transport/http-errors.ts";
import { runTiny } from "../server/support/running-app.ts";
import { missing, promtool } from "../support/prometheus-tools.ts";

const FOLDER = fileURLToPath(new URL("../../deploy/prometheus", import.meta.url));
const skip = missing("promtool");
const read = (name: string) => readFileSync(`${FOLDER}/${name}`, "utf8");

test("promtool finds the rules and the example configuration well-formed", { skip }, async () => {
  for (const args of [
    ["check", "rules", "--lint-fatal", "recording.yaml", "alerts.yaml"],
    ["check", "config", "--lint-fatal", "prometheus.yaml"],
  ]) {
    const { code, output } = await promtool(args, "", FOLDER);
    assert.equal(code, 0, output);
  }
});

test("each alert fires when it should and not before", { skip }, async () => {
  const { code, output } = await promtool(["test", "rules", "alerts.test.yaml"], "", FOLDER);
  assert.equal(code, 0, output);
});

test("each alert is tried by a test", () => {
  const alerts = [...read("alerts.yaml").matchAll(/- alert: (\w+)/g)].map((match) => match[1]!);
  assert.ok(alerts.length > 0);
  const tests = read("alerts.test.yaml");
  for (const alert of alerts) assert.ok(new RegExp(`\\b${alert}\\b`).test(tests), alert);
});

test("rules, alerts and their tests speak only of metrics and labels that there are", async () => {
  const metrics = new Metrics({ processMetrics: false });
  const families = new Map<string, string[]>();
  for (const { name, type } of await metrics.registry.getMetricsAsJSON()) {
    families.set(name, type.toString() === "histogram" ? ["_bucket", "_sum", "_count"] : [""]);
  }
  const known = new Set([...families].flatMap(([name, ends]) => ends.map((end) => name + end)));
  for (const file of ["recording.yaml", "alerts.yaml", "alerts.test.yaml"]) {
    const named = [...read(file).matchAll(/\bmagdi_\w+/g)].map(([name]) => name);
    for (const name of named) {
      // An annotation may speak of a histogram as such.
      assert.ok(known.has(name) || (file === "alerts.yaml" && families.has(name)), `${file}: ${name}`);
    }
  }
  const recorded = new Set([...read("recording.yaml").matchAll(/- record: (\S+)/g)].map((match) => match[1]));
  for (const [name] of read("alerts.yaml").matchAll(/\bmagdi:\w+:\w+/g)) assert.ok(recorded.has(name), name);
});

test("rules and the board speak only of reasons for which requests fail", () => {
  const board = readFileSync(`${FOLDER}/../grafana/dashboards/magdi.json`, "utf8").replaceAll('\\"', '"');
  for (const text of [read("recording.yaml"), read("alerts.yaml"), read("alerts.test.yaml"), board]) {
    for (const [, reasons = ""] of text.matchAll(/request_failures_total\{[^}]*reason=~?"([^"]+)"/g)) {
      for (const reason of reasons.split("|"))
        assert.ok(
          FAILURE_REASONS.some((name) => name === reason),
          reason,
        );
    }
  }
});

test("promtool has no complaint about what /metrics writes", { skip }, async (t) => {
  const { server } = await runTiny(t);
  await server.post("/v1/reason", { question: "{{The answer is 4.}}", samples: 3 });
  const withProcess = new Metrics();
  for (const text of [(await server.get("/metrics")).body, await withProcess.registry.metrics()]) {
    const { code, output } = await promtool(["check", "metrics"], text);
    assert.deepEqual({ code, output }, { code: 0, output: "" });
  }
});
