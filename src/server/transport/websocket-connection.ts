// One open WebSocket connection: backpressure (a slow reader is closed), limits of what arrives, pings that detect dead
// peers, and a close with a timeout.
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Clock } from "../../base/clock.ts";
import { MessageLimits, type MessageLimitsOptions } from "./message-limits.ts";

/** RFC 6455, section 7.4.1. */
export const CLOSE_CODES = { goingAway: 1001, policyViolation: 1008, tryAgainLater: 1013 } as const;

/** How long a peer has to answer a close frame before the connection is terminated. */
const CLOSE_TIMEOUT_MS = 2000;

export interface WebSocketConnectionOptions {
  readonly clock: Clock;
  /** The connection is closed with 1013 if more than this is unread when there is more to send. */
  readonly maxBufferedBytes: number;
  /** Ping interval. A peer that sends nothing between two pings is terminated. 0 sends no pings. */
  readonly pingMs: number;
  readonly messages: Omit<MessageLimitsOptions, "clock" | "onReached">;
  /** Called with each text message; null stands for a binary one. Not called once the connection is closing. */
  onMessage(text: string | null): void;
  /** Called once, when the connection begins to close, from either side. */
  onClosing(): void;
}

export class WebSocketConnection {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #options: WebSocketConnectionOptions;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  readonly #messages: MessageLimits;
  #closing = false;
  /** Whether the peer has sent anything since the last ping. */
  #alive = true;
  #stopPings = () => {};
  #stopCloseTimer = () => {};

  /** `socket` is the TCP connection under `ws`. */
  constructor(ws: WebSocket, socket: Socket, options: WebSocketConnectionOptions) {
    this.#ws = ws;
    this.#socket = socket;
    this.#options = options;
    this.closed = new Promise((resolve) => {
      ws.once("close", () => {
        this.#stopCloseTimer();
        this.#messages.end();
        this.#markClosing();
        resolve();
      });
    });
    this.#messages = new MessageLimits({
      ...options.messages,
      clock: options.clock,
      onReached: (reason, busy) =>
        this.close(busy ? CLOSE_CODES.tryAgainLater : CLOSE_CODES.policyViolation, reason),
    });
    // Before ws, which holds what arrives until a message is whole. Who goes on sending is cut off.
    socket.prependListener("data", (chunk) => {
      if (this.#messages.refused) ws.terminate();
      else this.#messages.arrived(chunk);
    });
    ws.on("message", (data, isBinary) => {
      this.#alive = true;
      this.#messages.messageEnded();
      // Text comes as one Buffer of valid UTF-8.
      if (!this.#closing) options.onMessage(isBinary ? null : String(data));
    });
    ws.on("ping", () => {
      this.#alive = true;
    });
    ws.on("pong", () => {
      this.#alive = true;
    });
    // A protocol error or a frame that is too large: ws closes with 1002, 1007 or 1009.
    ws.on("error", () => this.#startClosing());
    // The TCP connection is half closed. "close" may come much later, if the peer keeps its side open.
    socket.once("end", () => this.#startClosing());
    socket.once("finish", () => this.#startClosing());
    if (options.pingMs > 0) this.#schedulePing();
  }

  /** Sends an object as JSON text; does nothing once the connection is closing. */
  send(frame: object): void {
    if (this.#closing) return;
    if (this.#ws.readyState !== this.#ws.OPEN) {
      this.#startClosing();
      return;
    }
    if (this.#socket.writableCorked === 0) {
      // Checked once per event loop turn: what is sent within one turn, the client cannot have read yet.
      if (this.#ws.bufferedAmount > this.#options.maxBufferedBytes) {
        this.close(CLOSE_CODES.tryAgainLater, "frames were not read in time");
        return;
      }
      // Send the frames of one engine step in one packet.
      this.#socket.cork();
      process.nextTick(() => this.#socket.uncork());
    }
    this.#ws.send(JSON.stringify(frame));
  }

  /** Sends a close frame after the frames sent so far; a peer that does not answer in time is terminated. */
  close(code: number, reason: string): void {
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.close(code, reason);
    this.#startClosing();
  }

  #startClosing(): void {
    if (this.#closing) return;
    this.#markClosing();
    if (this.#ws.readyState === this.#ws.CLOSED) return;
    this.#stopCloseTimer = this.#options.clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#ws.terminate());
  }

  #markClosing(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#stopPings();
    this.#options.onClosing();
  }

  #schedulePing(): void {
    this.#stopPings = this.#options.clock.setTimer(this.#options.pingMs, () => {
      if (!this.#alive) {
        this.#ws.terminate();
        return;
      }
      this.#alive = false;
      if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
      this.#schedulePing();
    });
  }
}
