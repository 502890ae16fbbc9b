// Many open streams at once: how late the server's event loop is, and how quickly /health answers beside them.
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
  summary: "64 open streams: event-loop delay of the server, and the latency of /health beside them",
  serverFlags: ["--batch-rows", String(STREAMS)],
  ownServer: false,
  timed: false,
  defaults: { connections: STREAMS, requests: STREAMS, seconds: null },
  comparesCounters: true,
  async run(context) {
    const { server, client, workload, results, amounts, signal } = context;
    const group = results.group("streams");
    let streaming = 0;
    let allStreaming = () => {};
    const everyone = new Promise<void>((resolve) => {
      allStreaming = resolve;
    });
    const { requests } = amounts;
    const ended = new AbortController();
    const stream = async (): Promise<void> => {
      const order = workload.next("chat-stream", SHAPE);
      const onFirstToken = () => {
        streaming++;
        if (streaming === requests) allStreaming();
      };
      results.record(group, await client.perform(order, { onFirstToken }));
      ended.abort(); // from the first end on there are fewer streams than were asked for
    };
    const all = Promise.all(Array.from({ length: requests }, stream));
    await Promise.race([everyone, all]);
    await server.loopDelay(); // from here on
    const health = await watchHealth(context, ended.signal);
    if (!signal.aborted) results.loopDelay = await server.loopDelay();
    await all;
    if (signal.aborted) return;
    results.expect("all streams were open at once", streaming === requests, `${streaming} of ${requests}`);
    const summary = health.summary();
    results.figure("/health p50", summary?.p50 ?? null, "ms");
    results.target("/health p99", summary?.p99 ?? null, "ms", { atMost: HEALTH_LIMIT_MS });
    results.target("event-loop delay p99", results.loopDelay?.p99 ?? null, "ms", {
      atMost: LOOP_DELAY_LIMIT_MS,
    });
  },
};

/** Asks for /health again and again, one at a time, until the signal; at least once. */
async function watchHealth({ client, results, signal }: ScenarioContext, ended: AbortSignal) {
  const times = new Distribution();
  let failures = 0;
  do {
    const startMs = performance.now();
    const { status } = await client.http.get("/health");
    times.add(performance.now() - startMs);
    if (status !== 200) failures++;
    await pause(HEALTH_EVERY_MS, ended);
  } while (!ended.aborted && !signal.aborted);
  results.expect("/health answered", failures === 0, `${failures} of ${times.count} failed`);
  return times;
}
