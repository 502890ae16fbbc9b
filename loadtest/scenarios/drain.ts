// SIGTERM during streams: all of them end properly, new requests are refused, and the process exits with 0.
import type { Client } from "../clients/client.ts";
import type { Kind } from "../requests/order.ts";
import type { Scenario } from "./scenario.ts";

const SHAPE = { maxTokens: 200, ignoreEos: true };
const KINDS: readonly Kind[] = ["chat-stream", "reason-stream"];
const DRAIN_TIMEOUT_MS = 20_000;
/** Errors of a server that no longer listens. */
const GONE: readonly string[] = ["ECONNREFUSED", "ECONNRESET"];
/** From the deadline to the exit: sending the last events and closing the engine. */
const GRACE_MS = 5000;

export const drain: Scenario = {
  name: "drain",
  summary: "20 streams, then SIGTERM: all end properly, new work is refused, the exit code is 0",
  serverFlags: ["--drain-timeout-ms", String(DRAIN_TIMEOUT_MS)],
  ownServer: true,
  timed: false,
  defaults: { connections: 20, requests: 20, seconds: null },
  mayRefuse: false,
  comparesCounters: false,
  async run({ server, client, workload, results, amounts, signal }) {
    const group = results.group("streams");
    const { requests } = amounts;
    let running = 0;
    const started: Promise<void>[] = [];
    const streams = Array.from({ length: requests }, (_, number) => {
      const order = workload.next(KINDS[number % KINDS.length] ?? "chat-stream", SHAPE);
      let ended = Promise.resolve();
      started.push(
        new Promise((resolve) => {
          running++;
          ended = client.perform(order, { onFirstToken: resolve }).then((exchange) => {
            running--;
            results.record(group, exchange);
            resolve();
          });
        }),
      );
      return ended;
    });
    await Promise.all(started);
    if (signal.aborted) return;
    results.figure("streams that ran at the signal", running, "");
    const process = server.requireProcess();
    const startMs = performance.now();
    process.kill("SIGTERM");
    await drainBegun(client);
    const refusal = await client.perform(workload.next("reason", { maxTokens: 1 }));
    await Promise.all(streams);
    const code = await process.exited;
    const tookMs = performance.now() - startMs;
    if (signal.aborted) return;
    results.expect(
      "all streams ended properly",
      group.answered === requests,
      `${group.answered} of ${requests}`,
    );
    results.expect(
      "new work was refused",
      refusal.outcome === "refused" || GONE.includes(refusal.error ?? ""),
      refusal.error ?? refusal.outcome,
    );
    results.expect("the exit code is 0", code === 0, `${code}`);
    results.expect(
      "the exit came within the deadline",
      tookMs <= DRAIN_TIMEOUT_MS + GRACE_MS,
      `after ${tookMs.toFixed(0)} ms of at most ${DRAIN_TIMEOUT_MS} and ${GRACE_MS}`,
    );
    results.figure("from the signal to the exit", tookMs, "ms");
  },
};

/** Resolves when /ready returns 503 or no longer answers. */
async function drainBegun(client: Client): Promise<void> {
  try {
    while ((await client.http.get("/ready")).status === 200);
  } catch {
    // it has ended already
  }
}
