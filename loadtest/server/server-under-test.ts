// The server under test, started by the load test or already running: its metrics, memory, processor time and
// event-loop delay.
import { once } from "node:events";
import { MagdiError } from "../../src/base/errors.ts";
import type { HttpClient } from "../clients/http-client.ts";
import { bucketBound, MetricsSnapshot } from "./metrics-snapshot.ts";
import { MAGDI_SERVE, ServerProcess } from "./server-process.ts";

/** The server's event-loop delay in milliseconds. */
export interface LoopDelay {
  /** probe: measured in the process; metrics: upper bounds of the buckets of its histogram. */
  readonly source: "probe" | "metrics";
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

const LOOP_DELAY_METRIC = "magdi_event_loop_delay_seconds";
const GAUGES = ["requests_running", "requests_waiting", "samples_running", "kv_cache_usage_ratio"] as const;
const PROBE_URL = new URL("./event-loop-probe.js", import.meta.url).href;
const LOOK_AGAIN_MS = 20;
const STOP_TIMEOUT_MS = 60_000;

export interface OwnServerOptions {
  /** Arguments of node; default: the magdi command. */
  readonly command?: readonly string[];
  readonly flags: readonly string[];
  readonly apiKey: string | null;
}

/** Starts a server on a free port, with the event-loop probe inside. */
export function startServer(options: OwnServerOptions): ServerProcess {
  const { command = MAGDI_SERVE, flags, apiKey } = options;
  const args = ["--import", PROBE_URL, ...command, "--port", "0", "--log-level", "warn", ...flags];
  return new ServerProcess(args, {
    channel: true,
    detached: true,
    environment: apiKey === null ? {} : { MAGDI_API_KEYS: `loadtest:${apiKey}` },
  });
}

export class ServerUnderTest {
  readonly #http: HttpClient;
  /** Null for a server that was already running. */
  readonly process: ServerProcess | null;
  #loopDelayFrom = new MetricsSnapshot("");

  constructor(http: HttpClient, process: ServerProcess | null) {
    this.#http = http;
    this.process = process;
  }

  /** @throws MagdiError MAGDI_BAD_REQUEST if the status of /metrics is not 200 */
  async metrics(): Promise<MetricsSnapshot> {
    const { status, body } = await this.#http.get("/metrics");
    if (status !== 200) {
      throw new MagdiError(
        "MAGDI_BAD_REQUEST",
        `GET /metrics: expected 200, found ${status}: is this a magdi server, and the --api-key one of its keys?`,
      );
    }
    return new MetricsSnapshot(body);
  }

  /** Our server's process, for scenarios that signal it or choose its settings. */
  requireProcess(): ServerProcess {
    if (this.process === null) throw new Error("this scenario needs a server of its own");
    return this.process;
  }

  /** The delay since the last call. */
  async loopDelay(): Promise<LoopDelay> {
    const child = this.process?.child;
    if (child?.connected) {
      const reply = once(child, "message");
      child.send("event-loop-delay");
      const [delay] = (await reply) as [Omit<LoopDelay, "source">]; // the probe's own message
      const { p50, p90, p99, max } = delay;
      return { source: "probe", p50, p90, p99, max };
    }
    const now = await this.metrics();
    const buckets = now.buckets(LOOP_DELAY_METRIC, this.#loopDelayFrom);
    this.#loopDelayFrom = now;
    const bound = (percent: number): number | null => {
      const seconds = bucketBound(buckets, percent);
      return seconds === null || seconds === Number.POSITIVE_INFINITY ? null : seconds * 1000;
    };
    return { source: "metrics", p50: bound(50), p90: bound(90), p99: bound(99), max: bound(100) };
  }

  /** Waits until nothing is running or waiting; returns the gauges that are not zero when the time is up. */
  async idle(timeoutMs: number, signal: AbortSignal): Promise<Record<string, number>> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const now = await this.metrics();
      const busy = GAUGES.map((name) => [name, now.value(`magdi_${name}`)] as const).filter(
        ([, value]) => value !== 0,
      );
      if (busy.length === 0 || performance.now() > deadlineMs || signal.aborted) {
        return Object.fromEntries(busy);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  /** Ends our server with SIGTERM: its exit code, null if it had to be killed or is not ours. */
  async stop(): Promise<number | null> {
    if (this.process === null) return null;
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process?.kill("SIGKILL"), STOP_TIMEOUT_MS);
    const code = await this.process.exited;
    clearTimeout(timer);
    return code;
  }
}
