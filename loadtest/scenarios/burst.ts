// More simultaneous requests than the server accepts: the accepted ones are answered, the rest refused at once.
import type { Scenario } from "./scenario.ts";

const ROWS = 8;
const QUEUE = 16;
const SHAPE = { maxTokens: 24 };

export const burst: Scenario = {
  name: "burst",
  summary: "more simultaneous requests than the waiting queue holds: answered, or refused 429 at once",
  serverFlags: ["--batch-rows", String(ROWS), "--queue-samples", String(QUEUE)],
  ownServer: true,
  timed: false,
  defaults: { connections: 200, requests: 200, seconds: null },
  mayRefuse: true,
  comparesCounters: true,
  async run({ client, workload, results, amounts, signal }) {
    const group = results.group("burst");
    const { requests } = amounts;
    const orders = Array.from({ length: requests }, () => workload.next("reason", SHAPE));
    const ask = async (order: (typeof orders)[number]): Promise<void> => {
      results.record(group, await client.perform(order));
    };
    await Promise.all(orders.map(ask));
    if (signal.aborted) return;
    results.expect(
      "everything was answered or refused",
      group.answered + group.refused === requests,
      `${group.answered} answered and ${group.refused} refused of ${requests}`,
    );
    results.expect(
      "the waiting queue was full",
      group.answered >= Math.min(requests, QUEUE),
      `${group.answered} answered, the queue holds ${QUEUE}`,
    );
    results.expect(
      "the rest was refused",
      requests <= ROWS + QUEUE || group.refused > 0,
      `${group.refused} refused`,
    );
  },
};
