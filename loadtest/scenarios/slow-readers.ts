// Clients that do not read their streams and sockets: the server disconnects them, and others are answered meanwhile.
import type { SocketClient } from "../clients/socket-client.ts";
import type { Exchange } from "../requests/exchange.ts";
import type { MetricsSnapshot } from "../server/metrics-snapshot.ts";
import type { Scenario, ScenarioContext } from "./scenario.ts";

/** Between two processes of one machine the kernel buffers some 4 MB before the server has to: so each token is large. */
const STREAM_SHAPE = { samples: 2, maxTokens: 2048, ignoreEos: true, topLogprobs: 20 };
const SOCKET_SHAPE = { samples: 32, maxTokens: 4 };
const SOCKET_ID_CHARS = 64;
/** Questions per batch on the socket; batches are sent until it is closed. */
const SOCKET_BATCH = 8;
const OTHERS_SHAPE = { maxTokens: 16 };
/** Close codes: 1013 with a reason, or 1006 if the client does not even read that. */
const CUT_CODES: readonly (number | null)[] = [1013, 1006];
const CUT_TIMEOUT_MS = 300_000;
const DISCONNECTS = 'magdi_request_failures_total{reason="disconnect"}';

export const slowReaders: Scenario = {
  name: "slow-readers",
  summary: "clients that do not read are cut off at a bound of unread bytes; the others notice nothing",
  // No pings: a client that does not read would be disconnected for not answering them.
  serverFlags: ["--stream-buffer-bytes", "65536", "--web-socket-ping-ms", "0"],
  ownServer: true,
  timed: false,
  defaults: { connections: 4, requests: 4, seconds: null },
  mayRefuse: false,
  comparesCounters: false,
  async run(context) {
    const { server, client, workload, results, amounts, signal } = context;
    const before = await server.metrics();
    const memory = (metrics: MetricsSnapshot) => metrics.value("process_resident_memory_bytes");
    let read = () => {};
    const readAfter = new Promise<void>((resolve) => {
      read = resolve;
    });
    const streams = Array.from({ length: amounts.requests }, () =>
      client.perform(workload.next("chat-stream", STREAM_SHAPE), { readAfter }),
    );
    const cut = await othersUntil(context, before, (disconnects) => disconnects >= streams.length);
    results.expect(
      "every slow stream was cut off",
      cut === streams.length,
      `${cut} of ${streams.length} counted as disconnects`,
    );

    const socket = await client.openSocket("/v1/reason/ws", SOCKET_ID_CHARS);
    socket.pause();
    const asked: Promise<Exchange>[] = [];
    const all = await othersUntil(context, before, (disconnects, idle) => {
      if (disconnects > streams.length) return true;
      if (idle) askOnSocket(context, socket, asked);
      return false;
    });
    results.expect(
      "a slow socket was cut off",
      all > streams.length,
      `after at most ${asked.length} questions`,
    );
    results.figure(
      "server's memory, grown by",
      (memory(await server.metrics()) - memory(before)) / 2 ** 20,
      "MiB",
    );

    read();
    socket.resume();
    const ends = await Promise.all(streams);
    await Promise.all(asked);
    if (signal.aborted) return;
    const whole = ends.filter(({ outcome }) => outcome === "answered").length;
    results.expect("no cut stream looks whole", whole === 0, `${whole} of ${ends.length} came whole`);
    const { closeCode } = socket;
    results.expect("the slow socket was closed", CUT_CODES.includes(closeCode), `with ${closeCode}`);
  },
};

function askOnSocket({ workload }: ScenarioContext, socket: SocketClient, asked: Promise<Exchange>[]): void {
  for (let number = 0; number < SOCKET_BATCH; number++) {
    const order = workload.next("reason-socket", SOCKET_SHAPE);
    asked.push(socket.perform({ ...order, body: { ...order.body, early_stop: "off" } }));
  }
}

/**
 * A well-behaved client sends requests until `enough`, which gets the number of disconnects in the metrics and whether
 * the server is idle. Returns that number.
 */
async function othersUntil(
  { server, client, workload, results, signal }: ScenarioContext,
  before: MetricsSnapshot,
  enough: (disconnects: number, idle: boolean) => boolean,
): Promise<number> {
  const name = "readers beside them";
  const group = results.groups.find((each) => each.name === name) ?? results.group(name);
  const deadlineMs = performance.now() + CUT_TIMEOUT_MS;
  for (;;) {
    results.record(group, await client.perform(workload.next("reason-stream", OTHERS_SHAPE)));
    const now = await server.metrics();
    const disconnects = now.value(DISCONNECTS) - before.value(DISCONNECTS);
    const idle = now.value("magdi_requests_running") + now.value("magdi_requests_waiting") === 0;
    const over = signal.aborted || group.failed > 0 || performance.now() > deadlineMs;
    if (enough(disconnects, idle) || over) return disconnects;
  }
}
