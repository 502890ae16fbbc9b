// Ten times the request rate that the server can sustain, compared with the load at capacity: accepted requests must
// take no longer, and the rest must be refused quickly.
import { closedLoop, openLoop, pause } from "./pace.ts";
import type { Scenario } from "./scenario.ts";

const ROWS = 8;
const QUEUE = 8;
const SHAPE = { maxTokens: 24 };
const TIMES = 10;
const SLOWER_LIMIT = 1.5;
/** Short compared with an answer, so that the queue stays full. */
const AGAIN_MS = 10;
const REFUSAL_LIMIT_MS = 20;

export const overload: Scenario = {
  name: "overload",
  summary: "ten times as many requests as the server can answer, compared with as many as it can",
  serverFlags: ["--batch-rows", String(ROWS), "--queue-samples", String(QUEUE)],
  ownServer: true,
  timed: true,
  // Enough connections to fill all rows and the whole waiting queue.
  defaults: { connections: ROWS + QUEUE, requests: 160, seconds: null },
  mayRefuse: true,
  comparesCounters: true,
  async run({ client, workload, results, amounts, signal, say }) {
    const part = { ...amounts, seconds: amounts.seconds === null ? null : amounts.seconds / 2 };
    say("as much as the server can answer");
    const full = results.group("at capacity");
    const filling = results.group("at capacity, came too early");
    await closedLoop(part, signal, async () => {
      // Until all rows are filled the queue overflows sooner, and refused requests are retried.
      for (;;) {
        const exchange = await client.perform(workload.next("reason", SHAPE));
        results.record(exchange.outcome === "refused" ? filling : full, exchange);
        if (exchange.outcome !== "refused" || signal.aborted) return;
        await pause(AGAIN_MS, signal);
      }
    });
    if (signal.aborted) return;
    const capacity = full.report();

    say(`${TIMES} times as much: ${(TIMES * capacity.requestsPerSecond).toFixed(1)} requests/s`);
    const flooded = results.group(`${TIMES} times as much`);
    const intervalMs = 1000 / (TIMES * capacity.requestsPerSecond);
    const requests = TIMES * capacity.answered;
    await openLoop({ intervalMs, requests }, signal, async () => {
      results.record(flooded, await client.perform(workload.next("reason", SHAPE)));
    });
    if (signal.aborted) return;
    results.expect(
      "everything was answered or refused",
      flooded.answered + flooded.refused === requests,
      `${flooded.answered} answered and ${flooded.refused} refused of ${requests}`,
    );
    const accepted = flooded.latencyMs.summary();
    const reference = capacity.latencyMs;
    const ratio = accepted === null || reference === null ? null : accepted.p95 / reference.p95;
    results.target("latency p95 of what was accepted, over that at capacity", ratio, "×", {
      atMost: SLOWER_LIMIT,
    });
    results.target("refusal p99", flooded.refusalMs.summary()?.p99 ?? null, "ms", {
      atMost: REFUSAL_LIMIT_MS,
    });
  },
};
