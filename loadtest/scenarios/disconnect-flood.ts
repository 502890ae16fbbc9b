// Many streams and sockets opened and dropped at once: the next answer must start as on an idle server.
import type { DropAt } from "../clients/http-client.ts";
import { median } from "../measures/distribution.ts";
import { type Exchange, failed } from "../requests/exchange.ts";
import type { Kind, Order } from "../requests/order.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

interface Drop {
  readonly kind: Kind;
  readonly dropAt: DropAt;
  /** False if the server may never see the request, or may answer it before it sees the disconnect. */
  readonly certain: boolean;
}

const DROPS: readonly Drop[] = [
  { kind: "chat-stream", dropAt: "begun", certain: true },
  { kind: "chat-stream", dropAt: "token", certain: true },
  { kind: "reason-stream", dropAt: "begun", certain: false },
  { kind: "reason-socket", dropAt: "token", certain: false },
  { kind: "reason-stream", dropAt: "sent", certain: false },
];
const SHAPE = { maxTokens: 256, ignoreEos: true };
const IDLE_ROUNDS = 5;
const LATER_LIMIT_MS = 1000;
const IDLE_TIMEOUT_MS = 10_000;
const DISCONNECTS = 'magdi_request_failures_total{reason="disconnect"}';

export const disconnectFlood: Scenario = {
  name: "disconnect-flood",
  summary: "200 streams opened and dropped; how much later than on an idle server the next answer starts",
  serverFlags: [],
  ownServer: false,
  timed: false,
  defaults: { connections: 200, requests: 200, seconds: null },
  mayRefuse: false,
  comparesCounters: false,
  async run(context) {
    const { server, workload, results, amounts, signal } = context;
    const idle = await firstTokens(context, "idle", IDLE_ROUNDS);
    const before = await server.metrics();
    const flood = results.group("dropped streams");
    let certain = 0;
    let possible = 0;
    const open = async (_: unknown, number: number): Promise<void> => {
      const drop = DROPS[number % DROPS.length] ?? DROPS[0]!; // the list is not empty
      const exchange = await openAndDrop(context, workload.next(drop.kind, SHAPE), drop.dropAt);
      results.record(flood, exchange);
      if (exchange.outcome !== "dropped") return;
      possible++;
      if (drop.certain) certain++;
    };
    await Promise.all(Array.from({ length: amounts.requests }, open));
    if (signal.aborted) return;
    const [after = null] = await firstTokens(context, "after the flood", 1);
    const busy = await server.idle(IDLE_TIMEOUT_MS, signal);
    const left = Object.keys(busy).length === 0 ? "all zero" : JSON.stringify(busy);
    results.expect("gauges are zero after the flood", left === "all zero", left);
    const counted = (await server.metrics()).value(DISCONNECTS) - before.value(DISCONNECTS);
    results.expect(
      "every dropped stream was counted",
      counted >= certain && counted <= possible,
      `${counted} disconnects, expected ${certain} to ${possible}`,
    );
    const idleMs = median(idle);
    results.figure("first token on an idle server", idleMs, "ms");
    results.figure("first token after the flood", after, "ms");
    results.target("later than on an idle server", after === null ? null : after - idleMs, "ms", {
      atMost: LATER_LIMIT_MS,
    });
  },
};

async function openAndDrop({ client }: ScenarioContext, order: Order, dropAt: DropAt): Promise<Exchange> {
  if (order.transport !== "socket") return client.perform(order, { dropAt });
  const startMs = performance.now();
  try {
    const socket = await client.openSocket(order.path);
    return await new Promise((resolve) => {
      const onFirstToken = () => void socket.close(true);
      void socket.perform(order, { onFirstToken }).then(resolve);
    });
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    return failed(order, `no socket: ${what}`, { latencyMs: performance.now() - startMs });
  }
}

async function firstTokens(context: ScenarioContext, name: string, rounds: number): Promise<number[]> {
  const { client, workload, results, signal } = context;
  const group = results.group(name);
  const times: number[] = [];
  for (let round = 0; round < rounds && !signal.aborted; round++) {
    const exchange = await client.perform(workload.next("reason-stream", { maxTokens: 8 }));
    results.record(group, exchange);
    if (exchange.firstTokenMs !== null) times.push(exchange.firstTokenMs);
  }
  return times;
}
