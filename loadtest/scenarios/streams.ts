// Many streams at once: the server's event-loop delay and the latency of /health meanwhile.
import { Distribution } from "../measures/distribution.ts";
import { pause } from "./pace.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

const STREAMS = 64;
const SHAPE = { maxTokens: 256, ignoreEos: true };
const HEALTH_EVERY_MS = 25;
const LOOP_DELAY_LIMIT_MS = 15;
const HEALTH_LIMIT_MS = 25;

export const streams: Scenario = {
  name: "streams",
  summary: "64 open streams: event-loop delay of the server, and latency of /health meanwhile",
  serverFlags: ["--batch-rows", String(STREAMS)],
  ownServer: false,
  timed: false,
  defaults: { connections: STREAMS, requests: STREAMS, seconds: null },
  mayRefuse: false,
  comparesCounters: true,
  async run(context) {
    const { server, client, workload, results, amounts, signal } = context;
    const group = results.group("streams");
    let streaming = 0;
    let most = 0;
    let allStreaming = () => {};
    const everyone = new Promise<void>((resolve) => {
      allStreaming = resolve;
    });
    const { requests } = amounts;
    const ended = new AbortController();
    const stream = async (): Promise<void> => {
      const order = workload.next("chat-stream", SHAPE);
      let began = false;
      const onFirstToken = () => {
        began = true;
        streaming++;
        most = Math.max(most, streaming);
        if (streaming === requests) allStreaming();
      };
      results.record(group, await client.perform(order, { onFirstToken }));
      if (began) streaming--;
      ended.abort(); // from the first end on there are fewer streams than were asked for
    };
    const all = Promise.all(Array.from({ length: requests }, stream));
    await Promise.race([everyone, all]);
    await server.loopDelay(); // from here on
    const health = await watchHealth(context, ended.signal);
    if (!signal.aborted) results.loopDelay = await server.loopDelay();
    await all;
    if (signal.aborted) return;
    results.expect("all streams were open at once", most === requests, `${most} of ${requests}`);
    if (most < requests) return; // beside fewer streams the times say nothing
    const summary = health.summary();
    results.figure("/health p50", summary?.p50 ?? null, "ms");
    results.target("/health p99", summary?.p99 ?? null, "ms", { atMost: HEALTH_LIMIT_MS });
    results.target("event-loop delay p99", results.loopDelay?.p99 ?? null, "ms", {
      atMost: LOOP_DELAY_LIMIT_MS,
    });
  },
};

/**
 * Requests /health every 25 ms until the signal, at least once. Each is measured from when it was due, so that a stalled
 * server is seen for as long as it stalls (no coordinated omission).
 */
async function watchHealth({ client, results, signal }: ScenarioContext, ended: AbortSignal) {
  const times = new Distribution();
  let failures = 0;
  const probe = async (dueMs: number): Promise<void> => {
    const status = await client.http.get("/health").then(
      (answer) => answer.status,
      () => null,
    );
    times.add(performance.now() - dueMs);
    if (status !== 200) failures++;
  };
  const startMs = performance.now();
  const until = AbortSignal.any([ended, signal]);
  const probes = [probe(startMs)];
  for (let dueMs = startMs + HEALTH_EVERY_MS; !until.aborted; ) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await pause(waitMs, until);
    else {
      probes.push(probe(dueMs));
      dueMs += HEALTH_EVERY_MS;
    }
  }
  await Promise.all(probes);
  results.expect("/health answered", failures === 0, `${failures} of ${times.count} failed`);
  return times;
}
