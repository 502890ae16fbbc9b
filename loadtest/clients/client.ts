// A client for all kinds of requests: HTTP with keep-alive, and sockets opened on demand.
import { type Exchange, failed } from "../requests/exchange.ts";
import type { Order } from "../requests/order.ts";
import { HttpClient, type PerformOptions } from "./http-client.ts";
import { SocketClient } from "./socket-client.ts";
import type { Target } from "./target.ts";

export class Client {
  readonly target: Target;
  readonly timeoutMs: number;
  readonly http: HttpClient;
  /** Idle open sockets. */
  readonly #idle: SocketClient[] = [];
  readonly #all = new Set<SocketClient>();

  constructor(target: Target, timeoutMs: number) {
    this.target = target;
    this.timeoutMs = timeoutMs;
    this.http = new HttpClient(target, timeoutMs);
  }

  /** Never rejects: what goes wrong is the exchange's error. A socket carries one question at a time. */
  async perform(order: Order, options: PerformOptions = {}): Promise<Exchange> {
    if (order.transport !== "socket") return this.http.perform(order, options);
    const startMs = performance.now();
    let socket = this.#idle.pop();
    try {
      socket ??= await this.openSocket(order.path);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return failed(order, `no socket: ${reason}`, { latencyMs: performance.now() - startMs });
    }
    const exchange = await socket.perform(order, options);
    if (socket.closeCode === null) this.#idle.push(socket);
    else this.#all.delete(socket);
    return exchange;
  }

  /** Rejects when the server refuses the upgrade. */
  async openSocket(path: string, idChars = 0): Promise<SocketClient> {
    const socket = new SocketClient(this.target, path, this.timeoutMs, idChars);
    await socket.open();
    this.#all.add(socket);
    return socket;
  }

  /** Aborts all open requests. */
  async close(): Promise<void> {
    this.http.close();
    this.#idle.length = 0;
    await Promise.all([...this.#all].map((socket) => socket.close(true)));
    this.#all.clear();
  }
}
