// Every scenario, for a few requests, against the scripted student's server: what it asserts holds, and its report is
// whole.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { parseArguments } from "../../loadtest/arguments.ts";
import { passed, type Report } from "../../loadtest/report.ts";
import { runScenario } from "../../loadtest/run.ts";
import type { BareEngine } from "../../loadtest/scenarios/scenario.ts";
import { renderReport } from "../../loadtest/table.ts";
import { ServeProcess, TINY } from "../e2e/serve-process.ts";
import { tinyStudent } from "../server/support/tiny-student.ts";

async function openTiny(): Promise<BareEngine> {
  const { engine, tokenizer } = tinyStudent({ contextLength: 65_536, maxRows: 32 });
  return {
    engine,
    encode: (text) => tokenizer.encode(text, { addSpecialTokens: true }),
    close: () => engine.close(),
  };
}

/** With `url`, on a server that several scenarios share, also those that would start their own. */
async function run(argv: readonly string[], url: string | null = null): Promise<Report> {
  const args = parseArguments(argv);
  assert.ok(args !== null);
  const { signal } = new AbortController();
  return runScenario({ ...args, url }, { command: TINY, openEngine: openTiny, signal, say: () => {} });
}

/** Whatever the machine's pace, nothing else than targets was missed, and the report is one. */
function assertHeld(report: Report, groups: readonly string[]): void {
  assert.ok(passed(report, false), renderReport(report));
  assert.deepEqual(
    report.groups.filter(({ requests }) => requests > 0).map(({ name }) => name),
    groups,
  );
  // What is written is what can be read: no NaN, nothing that JSON leaves out.
  assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  assert.equal(report.server.model, "tiny");
  assert.equal(report.brokenOff, false);
  assert.ok(report.machine.threads > 0 && report.seconds > 0 && report.server.residentBytesBefore > 0);
  assert.ok(Date.parse(report.startedAt) > 0);
  const table = renderReport(report);
  for (const { name } of report.checks) assert.ok(table.includes(name), name);
  for (const { name } of report.figures) assert.ok(table.includes(name), name);
}

function assertCountersCompared(report: Report): void {
  assert.ok((report.counters?.compared ?? 0) > 30, "few series were compared");
  assert.deepEqual(report.counters?.different, []);
  assert.deepEqual(report.counters?.unknown, [], "counters that no client can know");
}

const figure = (report: Report, name: string): number | null | undefined =>
  report.figures.find((each) => each.name === name)?.value;

test("scenarios that load a server which runs already", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--log-level", "warn"]);
  const url = await server.ready();
  const load = (argv: readonly string[]) => run(argv, url);

  await t.test("steady: whole answers, streams and sockets", async () => {
    const report = await load(["--scenario", "steady", "--requests", "12", "--connections", "3"]);
    assertHeld(report, ["whole", "streams", "sockets"]);
    assertCountersCompared(report);
    for (const group of report.groups) assert.equal(group.answered, 4, group.name);
    assert.ok(report.groups.every(({ latencyMs }) => latencyMs?.count === 4));
    assert.ok((report.groups[2]?.interTokenMs?.count ?? 0) > 0);
    assert.equal(report.server.eventLoopDelayMs?.source, "metrics");
  });

  await t.test("mixed: every kind of request, every counter equal", async () => {
    const report = await load(["--scenario", "mixed", "--requests", "30", "--connections", "4"]);
    assert.equal(
      report.groups.reduce((sum, { answered }) => sum + answered, 0),
      30,
    );
    assertHeld(
      report,
      report.groups.filter(({ requests }) => requests > 0).map(({ name }) => name),
    );
    assertCountersCompared(report);
  });

  await t.test("soak: mixed, with its memory remembered", async () => {
    const report = await load(["--scenario", "soak", "--requests", "8", "--connections", "2"]);
    assertCountersCompared(report);
    assert.ok(report.memory.length >= 2);
    assert.ok(report.memory.every(({ residentBytes }) => residentBytes > 0));
    assert.equal(typeof figure(report, "memory growth after the warm-up"), "number");
  });

  await t.test("streams: all open at once, /health beside them", async () => {
    const report = await load(["--scenario", "streams", "--requests", "6"]);
    assertHeld(report, ["streams"]);
    assertCountersCompared(report);
    assert.equal(typeof figure(report, "/health p99"), "number");
  });

  await t.test("disconnect-flood: every drop counted, gauges zero, the next answer measured", async () => {
    const report = await load(["--scenario", "disconnect-flood", "--requests", "20"]);
    assertHeld(report, ["idle", "dropped streams", "after the flood"]);
    assert.equal(typeof figure(report, "later than on an idle server"), "number");
  });

  await t.test("churn: connections come and go, /health is answered, and nothing stays", async () => {
    const report = await load(["--scenario", "churn", "--requests", "48", "--connections", "6"]);
    assertHeld(report, []);
    assert.ok((figure(report, "connections a second") ?? 0) > 0);
    assert.equal(typeof figure(report, "/health p99"), "number");
  });

  await t.test("a server that somebody else loads too does not pass", async () => {
    const stranger = (): Promise<unknown> =>
      fetch(`${url}/v1/reason`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ question: "Who else is here?" }),
      }).then((response) => response.text());
    const args = parseArguments([
      "--scenario",
      "mixed",
      "--requests",
      "2",
      "--connections",
      "1",
      "--url",
      url,
    ]);
    assert.ok(args !== null);
    const scenario = { ...args.scenario };
    scenario.run = async (context) => {
      await args.scenario.run(context);
      await stranger();
    };
    const report = await runScenario(
      { ...args, scenario },
      { signal: new AbortController().signal, say: () => {} },
    );
    assert.equal(passed(report, false), false);
    assert.ok((report.counters?.different.length ?? 0) > 0);
  });

  await t.test("throughput: in turns with the engine alone", async () => {
    const report = await load(["--scenario", "throughput", "--requests", "1"]);
    assertHeld(
      report,
      [1, 16].flatMap((many) => ["whole answers", "streams"].map((how) => `HTTP, ${how}, ${many} at once`)),
    );
    assertCountersCompared(report);
    assert.ok((figure(report, "engine alone, streams, 16 at once") ?? 0) > 0);
  });

  await t.test("broken off: what there is so far, and no check of what cannot hold", async () => {
    const interrupt = new AbortController();
    const args = parseArguments([
      "--scenario",
      "mixed",
      "--seconds",
      "600",
      "--connections",
      "2",
      "--url",
      url,
    ]);
    assert.ok(args !== null);
    const scenario = { ...args.scenario };
    scenario.run = async (context) => {
      const running = args.scenario.run(context);
      await context.client.perform(context.workload.next("reason", { maxTokens: 2 }));
      interrupt.abort();
      await running;
    };
    const report = await runScenario({ ...args, scenario }, { signal: interrupt.signal, say: () => {} });
    assert.equal(report.brokenOff, true);
    assert.equal(report.counters, null);
    assert.match(renderReport(report), /interrupted/);
  });
});

test("scenarios that choose the bounds of the waiting queue", async (t) => {
  const bounds = ["--batch-rows", "8", "--queue-samples", "16"];
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--log-level", "warn", ...bounds]);
  const url = await server.ready();

  await t.test("burst: answered or refused, nothing else", async () => {
    const report = await run(["--scenario", "burst", "--requests", "40"], url);
    assertHeld(report, ["burst"]);
    assertCountersCompared(report);
    assert.ok((report.groups[0]?.refused ?? 0) > 0);
    assert.equal(report.groups[0]?.refusalMs?.count, report.groups[0]?.refused);
  });

  await t.test("overload: ten times the capacity", async () => {
    const report = await run(["--scenario", "overload", "--requests", "16"], url);
    assertCountersCompared(report);
    assert.ok(passed(report, false), renderReport(report));
    assert.equal(report.groups.at(-1)?.requests, 160);
  });
});

test("slow-readers: cut off, and the others are answered", async () => {
  // Small enough that one step of many samples is over it already: the kernel takes megabytes first otherwise.
  const report = await run([
    "--scenario",
    "slow-readers",
    "--requests",
    "1",
    "--",
    "--stream-buffer-bytes",
    "4096",
  ]);
  assertHeld(report, ["readers beside them"]);
  assert.equal(report.server.eventLoopDelayMs?.source, "probe");
});

test("drain: streams end properly, the exit code is 0", async () => {
  const report = await run(["--scenario", "drain", "--requests", "6"]);
  assertHeld(report, ["streams"]);
  assert.equal(report.groups[0]?.answered, 6);
  assert.equal(report.server.residentBytesAfter, null);
});

test("the command says what is wrong in one line and exits with 1", async () => {
  const child = spawn(process.execPath, ["--import", "tsx", "loadtest/main.ts", "--scenario", "none"]);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  const [code] = await once(child, "close");
  assert.equal(code, 1);
  assert.match(said, /^loadtest: --scenario: expected one of .*\n$/);
});
