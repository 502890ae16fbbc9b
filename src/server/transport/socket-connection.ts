// One open WebSocket: frames out with a bound on what a slow reader may leave unread, pings to find out that a peer is
// dead, and a close that does not wait for ever. It knows no frame's meaning.
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Clock } from "../../base/clock.ts";

/** RFC 6455, section 7.4.1. */
export const CLOSE_CODES = { goingAway: 1001, policyViolation: 1008, tryAgainLater: 1013 } as const;

/** What a peer gets to answer a close before the connection is cut. */
const CLOSE_TIMEOUT_MS = 2000;

export interface SocketConnectionOptions {
  readonly clock: Clock;
  /** More than this unread when there is more to send, and the connection is closed with 1013. */
  readonly maxBufferedBytes: number;
  /** A peer from which nothing comes between two pings is cut off; 0 sends none. */
  readonly pingMs: number;
  /** Hears each text frame; null is a binary one. Not called any more once the connection is closing. */
  onMessage(text: string | null): void;
  /** Called once, when nothing that is sent can arrive any more, or when we begin to close. */
  onGone(): void;
}

export class SocketConnection {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #options: SocketConnectionOptions;
  /** Resolves when the connection is gone altogether. */
  readonly closed: Promise<void>;
  #gone = false;
  #heard = true;
  #stopPings = () => {};
  #stopCloseTimer = () => {};

  /** `socket` is the TCP connection under `ws`. */
  constructor(ws: WebSocket, socket: Socket, options: SocketConnectionOptions) {
    this.#ws = ws;
    this.#socket = socket;
    this.#options = options;
    this.closed = new Promise((resolve) => {
      ws.once("close", () => {
        this.#stopCloseTimer();
        this.#leave();
        resolve();
      });
    });
    ws.on("message", (data, isBinary) => {
      this.#heard = true;
      // Text comes as one Buffer of valid UTF-8.
      if (!this.#gone) options.onMessage(isBinary ? null : String(data));
    });
    ws.on("ping", () => {
      this.#heard = true;
    });
    ws.on("pong", () => {
      this.#heard = true;
    });
    // A frame that breaks the protocol or is too large: ws closes with 1002, 1007 or 1009.
    ws.on("error", () => this.#startClosing());
    // The peer has closed its side, or been answered its close: long before "close", if it keeps the connection.
    socket.once("end", () => this.#startClosing());
    socket.once("finish", () => this.#startClosing());
    if (options.pingMs > 0) this.#pingLater();
  }

  /** Sends an object as a JSON text; does nothing once the connection is closing. */
  send(frame: object): void {
    if (this.#gone) return;
    if (this.#ws.readyState !== this.#ws.OPEN) {
      this.#startClosing();
      return;
    }
    if (this.#socket.writableCorked === 0) {
      // What is sent from here on nobody had time to read, however long it is.
      if (this.#ws.bufferedAmount > this.#options.maxBufferedBytes) {
        this.close(CLOSE_CODES.tryAgainLater, "frames were not read in time");
        return;
      }
      // The frames of one engine step leave in one packet.
      this.#socket.cork();
      process.nextTick(() => this.#socket.uncork());
    }
    this.#ws.send(JSON.stringify(frame));
  }

  /** Closes after what was sent so far; a peer that does not answer in time is cut off. */
  close(code: number, reason: string): void {
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.close(code, reason);
    this.#startClosing();
  }

  #startClosing(): void {
    if (this.#gone) return;
    this.#leave();
    if (this.#ws.readyState === this.#ws.CLOSED) return;
    this.#stopCloseTimer = this.#options.clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#ws.terminate());
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#stopPings();
    this.#options.onGone();
  }

  #pingLater(): void {
    this.#stopPings = this.#options.clock.setTimer(this.#options.pingMs, () => {
      if (!this.#heard) {
        this.#ws.terminate();
        return;
      }
      this.#heard = false;
      if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
      this.#pingLater();
    });
  }
}
