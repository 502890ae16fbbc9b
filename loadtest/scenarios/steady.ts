// Steady load, a third each as whole answers, streams and sockets.
import { runWholeLoad } from "../clients/whole-load.ts";
import type { Kind } from "../requests/order.ts";
import { closedLoop } from "./pace.ts";
import type { Amounts, Scenario, ScenarioContext } from "./scenario.ts";

const SHAPE = { samples: 3, maxTokens: 48 };
const WAYS = 3;

export const steady: Scenario = {
  name: "steady",
  summary: "whole answers, streams and sockets, one after the other, at a given concurrency",
  serverFlags: [],
  ownServer: false,
  timed: true,
  defaults: { connections: 8, requests: 240, seconds: null },
  mayRefuse: false,
  comparesCounters: true,
  async run(context) {
    const { requests, connections, seconds } = context.amounts;
    const part: Amounts = {
      connections,
      requests: Math.ceil(requests / WAYS),
      seconds: seconds === null ? null : seconds / WAYS,
    };
    await whole(context, part);
    await own(context, part, "reason-stream", "streams");
    await own(context, part, "reason-socket", "sockets");
  },
};

/** autocannon takes a number of requests; for a duration, a first round measures how many fit. */
async function whole({ client, workload, results, signal, say }: ScenarioContext, amounts: Amounts) {
  const { connections, seconds } = amounts;
  say("whole answers");
  const round = async (name: string, requests: number): Promise<number> => {
    const group = results.group(name);
    await runWholeLoad({
      target: client.target,
      next: () => workload.next("reason", SHAPE),
      requests,
      connections,
      timeoutMs: client.timeoutMs,
      signal,
      onExchange: (exchange) => results.record(group, exchange),
    });
    return group.report().requestsPerSecond;
  };
  if (seconds === null) {
    await round("whole", amounts.requests);
    return;
  }
  const startMs = performance.now();
  const rate = await round("whole, to find the rate", connections);
  const leftSeconds = seconds - (performance.now() - startMs) / 1000;
  await round("whole", Math.max(0, Math.floor(rate * leftSeconds)));
}

async function own(context: ScenarioContext, amounts: Amounts, kind: Kind, name: string): Promise<void> {
  const { client, workload, results, signal, say } = context;
  say(name);
  const group = results.group(name);
  await closedLoop(amounts, signal, async () => {
    results.record(group, await client.perform(workload.next(kind, SHAPE)));
  });
}
