// Settings: where they come from, which one wins, and how wrong ones are named.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { loadConfig, SERVER_SETTINGS } from "../../src/server/config.ts";

test("defaults < file < environment < flags", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "magdi-config-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "settings.json");
  writeFileSync(file, JSON.stringify({ port: 1, maxSamples: 4, logLevel: "error" }));
  assert.equal(loadConfig().port, 8080);
  assert.equal(loadConfig().host, "127.0.0.1");
  assert.equal(loadConfig({ file }).port, 1);
  const environment = { MAGDI_PORT: "2", MAGDI_MAX_SAMPLES: "5", MAGDI_SERVICE_HOST: "10.0.0.1", PORT: "9" };
  assert.equal(loadConfig({ file, environment }).port, 2);
  const config = loadConfig({ file, environment, flags: { port: "3" } });
  assert.deepEqual([config.port, config.maxSamples, config.logLevel], [3, 5, "error"]);
});

test("a setting has the same name everywhere", () => {
  const drain = SERVER_SETTINGS.find(({ key }) => key === "drainTimeoutMs");
  assert.equal(drain?.flag, "drain-timeout-ms");
  assert.equal(drain?.variable, "MAGDI_DRAIN_TIMEOUT_MS");
  assert.ok(SERVER_SETTINGS.every(({ description }) => description !== ""));
});

test("a wrong setting is one line with the key, what was expected and what was found", () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ port: "70000" }, /^--port: expected a whole number from 0 to 65535, found 70000$/],
    [{ port: "80.5" }, /^--port: expected .*, found 80\.5$/],
    [{ "max-samples": "0" }, /^--max-samples: expected a whole number from 1 to 1024, found 0$/],
    [{ dtype: "q3" }, /^--dtype: expected one of .*q4.*, found "q3"$/],
    [
      { "adaptive-threshold": "1" },
      /^--adaptive-threshold: expected a number above 0\.5 and below 1, found 1$/,
    ],
    [{ host: "" }, /^--host: expected an address/],
  ];
  for (const [flags, message] of cases) {
    assert.throws(
      () => loadConfig({ flags }),
      (error) =>
        error instanceof MagdiError && error.code === "MAGDI_BAD_CONFIG" && message.test(error.message),
      JSON.stringify(flags),
    );
  }
  assert.throws(() => loadConfig({ environment: { MAGDI_PORT: "tcp://10.0.0.1:80" } }), /enableServiceLinks/);
  assert.equal(loadConfig({ flags: { "adaptive-threshold": "0.99" } }).adaptiveThreshold, 0.99);
  assert.equal(loadConfig({ flags: { model: "123" } }).model, "123");
});
