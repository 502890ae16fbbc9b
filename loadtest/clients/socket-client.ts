// A WebSocket client for many concurrent questions, which timestamps each frame.
import { once } from "node:events";
import { WebSocket } from "ws";
import { answered, dropped, type Exchange, failed, rejected } from "../requests/exchange.ts";
import type { Order } from "../requests/order.ts";
import { AnswerReader } from "./answer-reader.ts";
import { headersOf, type Target } from "./target.ts";

interface Pending {
  readonly order: Order;
  readonly startMs: number;
  readonly reader: AnswerReader;
  readonly timer: NodeJS.Timeout;
  readonly onFirstToken: (() => void) | undefined;
  readonly resolve: (exchange: Exchange) => void;
}

/** Error codes that are status 429 over HTTP. */
const BUSY_CODES: readonly string[] = ["queue_full", "too_many_requests", "rate_limit_exceeded"];

export class SocketClient {
  readonly #target: Target;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #idChars: number;
  readonly #pending = new Map<string, Pending>();
  #socket: WebSocket | null = null;
  #asked = 0;
  #leaving = false;
  /** The code that the connection was closed with; null while it is open. */
  closeCode: number | null = null;

  /** Ids are filled up to `idChars`, for frames that are larger than they need to be. */
  constructor(target: Target, path: string, timeoutMs: number, idChars = 0) {
    this.#idChars = idChars;
    this.#target = target;
    this.#path = path;
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects when the server refuses the upgrade. */
  async open(): Promise<void> {
    const { "content-type": _, ...headers } = headersOf(this.#target);
    const socket = new WebSocket(`${this.#target.url.replace("http", "ws")}${this.#path}`, { headers });
    socket.on("message", (data) => this.#receive(String(data), performance.now()));
    socket.on("close", (code) => {
      this.closeCode = code;
      for (const id of this.#pending.keys()) this.#settle(id, (pending) => this.#lost(pending, code));
    });
    await once(socket, "open"); // rejects on "error"
    socket.on("error", () => {}); // "close" follows
    this.#socket = socket;
  }

  /** Never rejects. */
  perform(order: Order, options: { onFirstToken?: () => void } = {}): Promise<Exchange> {
    const id = `q${this.#asked++}`.padEnd(this.#idChars, "-");
    const startMs = performance.now();
    return new Promise((resolve) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        resolve(failed(order, "the socket is closed", { latencyMs: 0 }));
        return;
      }
      this.#pending.set(id, {
        order,
        startMs,
        reader: new AnswerReader(order.kind, startMs),
        timer: setTimeout(
          () => this.#settle(id, (pending) => failed(order, "timed out", measuredOf(pending))),
          this.#timeoutMs,
        ),
        onFirstToken: options.onFirstToken,
        resolve,
      });
      this.#socket.send(JSON.stringify({ ...order.body, type: "reason", id }));
    });
  }

  /** Stops reading, like a client that is too slow. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** Disconnects; `abruptly` without a closing handshake. */
  async close(abruptly = false): Promise<void> {
    const socket = this.#socket;
    if (socket === null || socket.readyState === WebSocket.CLOSED) return;
    this.#leaving = true;
    const closed = once(socket, "close");
    if (abruptly) socket.terminate();
    else socket.close(1000);
    await closed;
  }

  #receive(text: string, nowMs: number): void {
    // Only the id is used, and looked up.
    const frame = JSON.parse(text) as { type?: unknown; id?: unknown };
    const id = typeof frame.id === "string" ? frame.id : "";
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    const { reader, order } = pending;
    const first = reader.firstTokenMs === null;
    try {
      reader.push(frame, nowMs);
    } catch {
      this.#settle(id, () => failed(order, "a frame of the wrong shape", measuredOf(pending)));
      return;
    }
    if (first && reader.firstTokenMs !== null) pending.onFirstToken?.();
    const { error, answer } = reader;
    if (error !== null) this.#settle(id, () => refusal(pending, error, text));
    else if (answer !== null) this.#settle(id, () => answered(order, answer, measuredOf(pending)));
  }

  #lost(pending: Pending, code: number): Exchange {
    const measured = measuredOf(pending);
    if (this.#leaving) return dropped(pending.order, measured);
    return failed(pending.order, `the socket was closed with ${code}`, measured);
  }

  #settle(id: string, outcome: (pending: Pending) => Exchange): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.resolve(outcome(pending));
  }
}

function refusal(pending: Pending, code: string, body: string): Exchange {
  const { order } = pending;
  if (BUSY_CODES.includes(code)) return rejected(order, 429, body, "in the frame", measuredOf(pending));
  if (code === "shutting_down") return rejected(order, 503, body, undefined, measuredOf(pending));
  return failed(order, `error frame ${code}`, measuredOf(pending));
}

function measuredOf({ startMs, reader }: Pending) {
  const { firstTokenMs, gapsMs } = reader;
  return { latencyMs: performance.now() - startMs, firstTokenMs, gapsMs };
}
