// A response as server-sent events, with backpressure: a slow reader is cut off when too many bytes are unread.
import type { FastifyReply } from "fastify";
import type { Clock } from "../../base/clock.ts";

/** Some proxies close streams that are idle for 30 seconds. */
const KEEP_ALIVE_MS = 15_000;

export class EventStream {
  readonly #reply: FastifyReply;
  readonly #maxBufferedBytes: number;
  readonly #onClosed: () => void;
  #opened = false;
  #ended = false;
  #clock: Clock | null = null;
  #lastWriteMs = 0;
  #stopTimer = () => {};

  /**
   * `onClosed` is called once if the client disconnects, or is cut off because more than `maxBufferedBytes` are unread
   * when there is more to send. The response starts with the first `send`; until then the request can still fail with an
   * HTTP status.
   */
  constructor(reply: FastifyReply, options: { maxBufferedBytes: number; onClosed: () => void }) {
    this.#reply = reply;
    this.#maxBufferedBytes = options.maxBufferedBytes;
    this.#onClosed = options.onClosed;
  }

  get opened(): boolean {
    return this.#opened;
  }

  /** Sends an object as JSON; does nothing once the stream has ended. */
  send(data: object, event?: string): void {
    this.#write(`${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`);
  }

  /**
   * From now on sends a comment, which clients skip, whenever the stream has been idle for 15 seconds. That may start the
   * response, so call it only when the request can no longer fail with an HTTP status.
   */
  keepAlive(clock: Clock): void {
    this.#clock = clock;
    this.#lastWriteMs = clock.nowMs();
    this.#scheduleKeepAlive(KEEP_ALIVE_MS);
  }

  /** Ends the stream with OpenAI's terminator. */
  done(): void {
    this.#write("data: [DONE]\n\n");
    if (this.#ended) return;
    this.#ended = true;
    this.#stopTimer();
    this.#reply.raw.end();
  }

  /** The timer checks when the last write was, so that writes need not reset it. */
  #scheduleKeepAlive(delayMs: number): void {
    const clock = this.#clock;
    if (clock === null || this.#ended) return;
    this.#stopTimer = clock.setTimer(delayMs, () => {
      const idleMs = clock.nowMs() - this.#lastWriteMs;
      const due = idleMs >= KEEP_ALIVE_MS;
      if (due) this.#write(": keep-alive\n\n");
      this.#scheduleKeepAlive(due ? KEEP_ALIVE_MS : KEEP_ALIVE_MS - idleMs);
    });
  }

  #write(text: string): void {
    if (this.#ended) return;
    if (!this.#opened) this.#open();
    if (this.#clock !== null) this.#lastWriteMs = this.#clock.nowMs();
    const { raw } = this.#reply;
    if (raw.writableCorked === 0) {
      // Checked once per event loop turn: what is written within one turn, the client cannot have read yet.
      if (raw.writableLength > this.#maxBufferedBytes) {
        raw.destroy();
        this.#closed();
        return;
      }
      // Send the events of one engine step in one packet.
      raw.cork();
      process.nextTick(() => raw.uncork());
    }
    raw.write(text);
  }

  #closed(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopTimer();
    this.#onClosed();
  }

  #open(): void {
    this.#opened = true;
    const { raw } = this.#reply;
    this.#reply.hijack();
    raw.once("close", () => this.#closed());
    if (raw.destroyed) {
      this.#closed();
      return;
    }
    for (const [name, value] of Object.entries(this.#reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value);
    }
    raw.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-store, no-transform",
      "x-accel-buffering": "no",
    });
  }
}
