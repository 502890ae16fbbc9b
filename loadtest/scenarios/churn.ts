// Connections that are opened and closed as fast as they can be: some without a word, some within a header or a frame, some
// after an answer. /health is answered meanwhile, and nothing of them stays.
import { connect } from "node:net";
import { watchHealth } from "./health-watch.ts";
import { closedLoop, pause } from "./pace.ts";
import type { Scenario } from "./scenario.ts";

const HEALTH_LIMIT_MS = 100;
const GROWTH_LIMIT_PERCENT = 5;
/** Over which /health and /metrics are asked. */
const OWN_CONNECTIONS = 64;
const WAIT_MS = 20;
const GIVE_UP_MS = 10_000;

const HOST = "host: localhost\r\n";
const UPGRADE = `GET /v1/reason/ws HTTP/1.1\r\n${HOST}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n`;
/** What is sent, and whether something is waited for before the connection is cut. */
const VISITS: readonly (readonly [sent: string, waits: boolean])[] = [
  ["", false],
  ["GET / HTTP/1.1\r\nho", false],
  [
    `POST /v1/reason HTTP/1.1\r\n${HOST}content-type: application/json\r\ncontent-length: 999\r\n\r\n{"que`,
    false,
  ],
  [`GET /health HTTP/1.1\r\n${HOST}\r\n`, true],
  [UPGRADE, true],
  // Half a frame's header after the upgrade.
  [`${UPGRADE}\x81`, true],
];

export const churn: Scenario = {
  name: "churn",
  summary: "connections opened and dropped by the thousand; /health meanwhile, and what stays in memory",
  serverFlags: [],
  ownServer: false,
  timed: false,
  defaults: { connections: 64, requests: 20_000, seconds: null },
  mayRefuse: true,
  comparesCounters: false,
  async run(context) {
    const { server, client, results, amounts, signal } = context;
    const { hostname, port } = new URL(client.target.url);
    const visit = (number: number): Promise<void> =>
      new Promise((resolve) => {
        const [sent, waits] = VISITS[number % VISITS.length] ?? ["", false];
        const socket = connect(Number(port), hostname, () => {
          socket.write(sent, "latin1", () => {
            if (!waits) socket.destroy();
          });
        });
        socket.once("data", () => socket.destroy());
        socket.once("error", () => {});
        socket.once("close", () => resolve());
      });
    const resident = async () => (await server.metrics()).value("process_resident_memory_bytes");
    const ended = new AbortController();
    const watching = watchHealth(context, ended.signal);
    const first = { ...amounts, requests: Math.ceil(amounts.requests / 4) };
    const startMs = performance.now();
    let visits = 0;
    const one = async (number: number): Promise<void> => {
      await visit(number);
      visits++;
    };
    await closedLoop(first, signal, one);
    const early = await resident();
    await closedLoop({ ...amounts, requests: amounts.requests - first.requests }, signal, one);
    const seconds = (performance.now() - startMs) / 1000;
    ended.abort();
    const health = (await watching).summary();
    const open = async () => (await server.metrics()).value("magdi_open_connections");
    const giveUpMs = performance.now() + GIVE_UP_MS;
    let left = await open();
    while (left > OWN_CONNECTIONS && performance.now() < giveUpMs && !signal.aborted) {
      await pause(WAIT_MS, signal);
      left = await open();
    }
    if (signal.aborted) return;
    const metrics = await server.metrics();
    const sockets = metrics.value("magdi_open_websockets");
    const bytes = metrics.value("magdi_body_buffer_bytes");
    results.expect(
      "nothing of them stays",
      left <= OWN_CONNECTIONS && sockets === 0 && bytes === 0,
      `${left} connections, ${sockets} WebSockets, ${bytes} bytes of bodies`,
    );
    results.figure("connections a second", visits / seconds, "1/s");
    results.figure("/health p50", health?.p50 ?? null, "ms");
    results.target("/health p99", health?.p99 ?? null, "ms", { atMost: HEALTH_LIMIT_MS });
    results.target(
      "memory after all against after a quarter",
      (100 * ((await resident()) - early)) / early,
      "%",
      {
        atMost: GROWTH_LIMIT_PERCENT,
      },
    );
  },
};
