// Runs one scenario: server, clients, measurements, and the checks that all scenarios share.
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Arguments } from "./arguments.ts";
import { openBareEngine } from "./bare-engine.ts";
import { Client } from "./clients/client.ts";
import { describeMachine, ownVersion } from "./machine.ts";
import type { Comparison } from "./measures/account.ts";
import { Results } from "./measures/results.ts";
import type { ProcessUse, Report } from "./report.ts";
import { Workload } from "./requests/workload.ts";
import type { BareEngine, ScenarioContext } from "./scenarios/scenario.ts";
import type { MetricsSnapshot } from "./server/metrics-snapshot.ts";
import type { ServerProcess } from "./server/server-process.ts";
import { type LoopDelay, ServerUnderTest, startServer } from "./server/server-under-test.ts";

const REQUEST_TIMEOUT_MS = 300_000;
const IDLE_TIMEOUT_MS = 10_000;
const LOOP_PERIOD_MS = 10;
/** Differences shown in a check's detail; the report has all. */
const SHOWN_DIFFERENCES = 3;

export interface RunOptions {
  /** Arguments of node for the server; default: the magdi command. */
  readonly command?: readonly string[];
  /** Default: the default student's. */
  readonly openEngine?: () => Promise<BareEngine>;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** The server's state before the scenario and, unless it has ended, after it. */
interface Readings {
  readonly before: MetricsSnapshot;
  readonly after: MetricsSnapshot | null;
  readonly loopDelay: LoopDelay | null;
}

/** Rejects if the server does not start or respond; all other failures are in the report. */
export async function runScenario(args: Arguments, options: RunOptions): Promise<Report> {
  const { scenario, seed, amounts, apiKey } = args;
  const flags = [...scenario.serverFlags, ...args.serverFlags];
  const machine = describeMachine();
  const process = args.url === null ? startServer({ ...options, flags, apiKey }) : null;
  let client: Client | null = null;
  try {
    const url = process === null ? (args.url ?? "") : await process.ready();
    client = new Client({ url, apiKey }, REQUEST_TIMEOUT_MS);
    const server = new ServerUnderTest(client.http, process);
    const results = new Results();
    const before = await server.metrics();
    await server.loopDelay();
    const clients = watchOurselves();
    const startedAt = new Date();
    const startMs = performance.now();
    const stop = () => void client?.close();
    options.signal.addEventListener("abort", stop, { once: true });
    const context: ScenarioContext = {
      server,
      client,
      workload: new Workload(seed),
      amounts,
      results,
      signal: options.signal,
      openEngine: options.openEngine ?? (() => openBareEngine(flags)),
      say: options.say,
    };
    const running = options.signal.aborted ? Promise.resolve() : scenario.run(context);
    // When interrupted, pending requests fail; what was measured until then is kept.
    await running.catch((error: unknown) => {
      if (!options.signal.aborted) throw error;
    });
    options.signal.removeEventListener("abort", stop);
    const seconds = (performance.now() - startMs) / 1000;
    const ownUse = clients(seconds);
    const readings = await readAfter(server, before, results, options.signal);
    const counters = sharedChecks(args, results, readings, options.signal.aborted);
    await endOwn(process, server, results);
    const { after } = readings;
    return {
      scenario: scenario.name,
      version: ownVersion(),
      startedAt: startedAt.toISOString(),
      seconds,
      seed,
      amounts,
      brokenOff: options.signal.aborted,
      machine,
      server: {
        url: args.url,
        flags,
        model: modelOf(before),
        use: after === null ? null : useOf(cpuSeconds(after) - cpuSeconds(before), seconds),
        residentBytesBefore: resident(before),
        residentBytesAfter: after === null ? null : resident(after),
        eventLoopDelayMs: results.loopDelay ?? readings.loopDelay,
      },
      clients: ownUse,
      groups: results.groups.map((group) => group.report()),
      figures: results.figures,
      memory: results.memory,
      counters,
      checks: results.checks,
    };
  } finally {
    await client?.close();
    process?.kill("SIGKILL"); // nothing happens to one that has ended
  }
}

async function readAfter(
  server: ServerUnderTest,
  before: MetricsSnapshot,
  results: Results,
  signal: AbortSignal,
): Promise<Readings> {
  if (server.process?.child.exitCode != null) return { before, after: null, loopDelay: null };
  const loopDelay = await server.loopDelay();
  const busy = Object.entries(await server.idle(IDLE_TIMEOUT_MS, signal));
  if (!signal.aborted) {
    const found = busy.map(([name, value]) => `${name} ${value}`).join(", ");
    results.expect("gauges are zero at the end", busy.length === 0, found || "all zero");
  }
  return { before, after: await server.metrics(), loopDelay };
}

function sharedChecks(
  { scenario }: Arguments,
  results: Results,
  { before, after }: Readings,
  aborted: boolean,
): Comparison | null {
  if (aborted) return null;
  const failed = results.groups.reduce((sum, group) => sum + group.failed, 0);
  results.expect("no unexpected error", failed === 0, `${failed} requests failed`);
  if (!scenario.mayRefuse) {
    const refused = results.groups.reduce((sum, group) => sum + group.refused, 0);
    results.expect("nothing was refused", refused === 0, `${refused} requests were refused`);
  }
  if (!scenario.comparesCounters || after === null) return null;
  const counters = results.account.compare(before, after);
  const { different, compared } = counters;
  const shown = different
    .slice(0, SHOWN_DIFFERENCES)
    .map(({ series, expected, found }) => `${series}: expected ${expected}, found ${found}`);
  results.expect(
    "counters equal the clients' count",
    different.length === 0,
    [`${compared - different.length} of ${compared} series are equal`, ...shown].join("; "),
  );
  return counters;
}

async function endOwn(
  process: ServerProcess | null,
  server: ServerUnderTest,
  results: Results,
): Promise<void> {
  if (process === null || process.child.exitCode !== null) return;
  const code = await server.stop();
  results.expect("the server ended with 0", code === 0, `${code}`);
}

/** Measures from now until the returned function is called. */
function watchOurselves(): (seconds: number) => Report["clients"] {
  const delay = monitorEventLoopDelay({ resolution: LOOP_PERIOD_MS });
  delay.enable();
  const cpu = process.cpuUsage();
  return (seconds) => {
    delay.disable();
    const { user, system } = process.cpuUsage(cpu);
    const eventLoopDelayP99Ms =
      delay.count === 0 ? 0 : Math.max(0, delay.percentile(99) / 1e6 - LOOP_PERIOD_MS);
    return { use: useOf((user + system) / 1e6, seconds), eventLoopDelayP99Ms };
  };
}

function useOf(cpuSeconds: number, seconds: number): ProcessUse {
  return { cpuSeconds, cores: seconds === 0 ? 0 : cpuSeconds / seconds };
}

function cpuSeconds(metrics: MetricsSnapshot): number {
  return metrics.value("process_cpu_seconds_total");
}

function resident(metrics: MetricsSnapshot): number {
  return metrics.value("process_resident_memory_bytes");
}

function modelOf(metrics: MetricsSnapshot): string | null {
  return metrics.labels("magdi_model_info").at(0)?.model ?? null;
}
