// Many streams at once: the server's event-loop delay and the latency of /health meanwhile.
import { watchHealth } from "./health-watch.ts";
import type { Scenario } from "./scenario.ts";

const STREAMS = 64;
const SHAPE = { maxTokens: 256, ignoreEos: true };
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
