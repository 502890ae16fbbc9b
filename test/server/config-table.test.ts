// Every setting, tried with wrong values in each place that it can come from: one line that names the key and place.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { type ConfigSources, loadConfig, SERVER_SETTINGS } from "../../src/server/config.ts";

interface Trial {
  /** As variables and flags write it, and what it becomes. */
  readonly good: readonly [string, unknown];
  /** As variables and flags write them. */
  readonly bad: readonly string[];
  /** As JSON has them; text where a number belongs is always among them. */
  readonly badInFile?: readonly unknown[];
}

const whole = (min: number, max: number): Trial => ({
  good: [String(min), min],
  bad: [String(min - 1), String(max + 1), `${min}.5`, "many", " ", "1e3", "0x10", `${min},${min}`],
  badInFile: [min - 1, max + 1, min + 0.5, String(min), null, true, [min], {}],
});
const orNull = (trial: Trial): Trial => ({
  ...trial,
  badInFile: (trial.badInFile ?? []).filter((value) => value !== null),
});
const someText: Trial = { good: ["here", "here"], bad: [], badInFile: ["", 3, true, ["here"], {}] };
const someList = (good: string): Trial => ({
  good: [`${good}, ${good}`, [good, good]],
  bad: [",", `${good},`],
  badInFile: [3, good, [""], [3], {}, null],
});
const milliseconds = whole(0, 86_400_000);

const dollars: Trial = {
  good: ["1.5", 1.5],
  bad: ["0", "-1", "much", "$1"],
  badInFile: [0, -0.5, "1.5", true, [1]],
};
const tokens: Trial = {
  good: ["1000", 1000],
  bad: ["0", "-1", "1.5", "many", "1e3"],
  badInFile: [0, 1.5, "1000", true, [1]],
};

const TRIALS: Readonly<Record<string, Trial>> = {
  host: { ...someText, badInFile: [...(someText.badInFile ?? []), null] },
  port: whole(0, 65_535),
  model: someText,
  device: { good: ["auto", "auto"], bad: ["gpu", "CPU", "4"], badInFile: [4, ["cpu"]] },
  dtype: { good: ["q4", "q4"], bad: ["q3", "Q4", "4"], badInFile: [4, ["q4"]] },
  threads: orNull(whole(1, 1024)),
  batchRows: whole(2, 1024),
  contextLength: orNull(whole(16, 1_048_576)),
  prefixCacheTokens: orNull(whole(0, 10_000_000)),
  memoryLimitMb: orNull(whole(1, 100_000_000)),
  isolatePrefixes: { good: ["true", true], bad: ["yes", "1", "TRUE"], badInFile: ["true", 1, null] },
  speculation: { good: ["false", false], bad: ["no", "0", "FALSE"], badInFile: ["false", 0, null] },
  maxSamples: whole(1, 1024),
  queueSamples: whole(1, 1_000_000),
  queueTimeoutMs: milliseconds,
  requestTimeoutMs: whole(1, 86_400_000),
  stallTimeoutMs: whole(100, 86_400_000),
  drainTimeoutMs: milliseconds,
  bodyLimitBytes: whole(1024, 1_073_741_824),
  streamBufferBytes: whole(1024, 1_073_741_824),
  webSocketRequests: whole(1, 1_000_000),
  webSocketPingMs: milliseconds,
  adaptiveThreshold: {
    good: ["0.75", 0.75],
    bad: ["0.5", "1", "-0.9", "most", "95%"],
    badInFile: [0.5, 1, "0.75", null, [0.75]],
  },
  baselines: someText,
  apiKeysFile: someText,
  requestsPerMinute: whole(0, 1_000_000),
  corsOrigins: someList("https://example.org"),
  allowedHosts: someList("magdi.example.org"),
  trustProxy: someList("10.0.0.0/8"),
  receiveTimeoutMs: whole(100, 86_400_000),
  writeTimeoutMs: whole(100, 86_400_000),
  maxConnections: whole(1, 1_000_000),
  maxWebSockets: whole(1, 1_000_000),
  bodyBufferBytes: orNull(whole(1024, 1_099_511_627_776)),
  answerBufferBytes: orNull(whole(1024, 1_099_511_627_776)),
  clientShare: {
    good: ["0.5", 0.5],
    bad: ["0", "-0.1", "1.01", "some", "25%"],
    badInFile: [0, 2, "0.25", null, [0.25]],
  },
  agents: someText,
  debateRounds: whole(0, 100),
  debateTimeoutMs: whole(1, 86_400_000),
  debateRetries: whole(0, 100),
  debatesAtOnce: whole(1, 10_000),
  debateQueue: whole(0, 1_000_000),
  debateUsdPerDay: dollars,
  debateTokensPerDay: tokens,
  debateKeyUsdPerDay: dollars,
  debateKeyTokensPerDay: tokens,
  shadowShare: {
    good: ["0.02", 0.02],
    bad: ["-0.1", "1.01", "some", "2%"],
    badInFile: [-1, 2, "0.5", null, [0.5]],
  },
  shadowUsdPerDay: dollars,
  shadowTokensPerDay: tokens,
  shadowQueue: whole(1, 100_000),
  shadowOut: someText,
  otlpEndpoint: {
    good: ["http://localhost:4318", "http://localhost:4318"],
    bad: ["localhost:4318", "ftp://localhost", "4318", "/v1/traces", "http://"],
    badInFile: ["localhost:4318", 4318, true],
  },
  logLevel: { good: ["warn", "warn"], bad: ["loud", "WARN", "30"], badInFile: [30, "loud", true] },
  logPrompts: { good: ["false", false], bad: ["no", "0"], badInFile: ["false", 0, null] },
};

function problemOf(sources: ConfigSources): string {
  try {
    loadConfig(sources);
  } catch (error) {
    assert.ok(error instanceof MagdiError && error.code === "MAGDI_BAD_CONFIG", String(error));
    assert.doesNotMatch(error.message, /\n/);
    assert.ok(error.message.length < 600, error.message);
    return error.message;
  }
  return "taken";
}

test("every setting has its trials here", () => {
  // The one secret is tried where keys are read.
  const tried = SERVER_SETTINGS.filter(({ key }) => key !== "apiKeys").map(({ key }) => key);
  assert.deepEqual(Object.keys(TRIALS).sort(), tried.sort());
});

for (const { key, flag, variable } of SERVER_SETTINGS) {
  const trial = TRIALS[key];
  if (trial === undefined || flag === null) continue;

  test(`${key}: what is right is taken from every place, and what is wrong is named with its place`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "magdi-config-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "settings.json");
    const [text, value] = trial.good;
    const read = (sources: ConfigSources) =>
      Object.entries(loadConfig(sources)).find(([name]) => name === key)?.[1];
    assert.deepEqual(read({ environment: { [variable]: text } }), value);
    assert.deepEqual(read({ flags: { [flag]: text } }), value);
    writeFileSync(file, JSON.stringify({ [key]: value }));
    assert.deepEqual(read({ file }), value);

    for (const bad of trial.bad) {
      for (const [where, sources] of [
        [variable, { environment: { [variable]: bad } }],
        [`--${flag}`, { flags: { [flag]: bad } }],
      ] as const) {
        const problem = problemOf(sources);
        assert.ok(problem.startsWith(`${where}: expected `), `${where} ${JSON.stringify(bad)}: ${problem}`);
        assert.ok(problem.includes(", found "), problem);
      }
    }
    for (const bad of trial.badInFile ?? []) {
      writeFileSync(file, JSON.stringify({ [key]: bad }));
      const problem = problemOf({ file });
      assert.ok(problem.startsWith(`${file}: ${key}: expected `), `${JSON.stringify(bad)}: ${problem}`);
    }
  });
}

test("a flag's empty text is a wrong value, a variable's is no value", () => {
  assert.match(problemOf({ flags: { port: "" } }), /^--port: expected .*, found ""$/);
  assert.equal(loadConfig({ environment: { MAGDI_PORT: "" } }).port, 8080);
});

test("OpenTelemetry's own variable for a collector counts where none of ours is set", () => {
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://theirs:4318" };
  assert.equal(loadConfig({ environment }).otlpEndpoint, "http://theirs:4318");
  const both = { ...environment, MAGDI_OTLP_ENDPOINT: "http://ours:4318" };
  assert.equal(loadConfig({ environment: both }).otlpEndpoint, "http://ours:4318");
  assert.match(
    problemOf({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: "theirs" } }),
    /^OTEL_EXPORTER_OTLP_ENDPOINT: expected an http or https address, found "theirs"$/,
  );
});

test("what is no setting is named: in the file by its key, with the setting that it may mean", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "magdi-config-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "settings.json");
  for (const key of ["Port", "drain_timeout_ms", "constructor", "toString", ""]) {
    writeFileSync(file, JSON.stringify({ [key]: 1 }));
    assert.ok(problemOf({ file }).includes(`${key} is not a setting`), key);
  }
  for (const [key, remedy] of [
    ["drain_timeout_ms", "did you mean drainTimeoutMs?"],
    ["memoryLimit", "did you mean memoryLimitMb?"],
    ["prot", "did you mean port?"],
    ["quite different", "--help lists the settings"],
    ["x".repeat(1_000_000), "--help lists the settings"],
  ] as const) {
    writeFileSync(file, JSON.stringify({ [key]: 1 }));
    assert.ok(problemOf({ file }).includes(`is not a setting; ${remedy}`), problemOf({ file }));
  }
});
