// One response as server-sent events, with a bound on what a slow reader may leave unread. It knows no event's
// meaning.
import type { FastifyReply } from "fastify";
import type { Clock } from "../../base/clock.ts";

/** Proxies cut streams that are silent for as little as 30 or 60 seconds. */
const KEEP_ALIVE_MS = 15_000;

export class EventStream {
  readonly #reply: FastifyReply;
  readonly #maxBufferedBytes: number;
  readonly #onGone: () => void;
  #opened = false;
  #ended = false;
  #clock: Clock | null = null;
  #lastWriteMs = 0;
  #stopTimer = () => {};

  /**
   * `onGone` is called once if the reader goes away, or is cut off because more than `maxBufferedBytes` lie unread
   * when there is more to send. Nothing is sent before the first `send`, so that until then the request can still fail
   * with a status.
   */
  constructor(reply: FastifyReply, options: { maxBufferedBytes: number; onGone: () => void }) {
    this.#reply = reply;
    this.#maxBufferedBytes = options.maxBufferedBytes;
    this.#onGone = options.onGone;
  }

  get opened(): boolean {
    return this.#opened;
  }

  /** Sends an object as JSON; does nothing once the stream has ended. */
  send(data: object, event?: string): void {
    this.#write(`${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`);
  }

  /** From now on a comment, which readers skip, breaks every long silence. It may be the first thing that is sent: to
   * be called once nothing can be answered by a status any more. */
  keepAlive(clock: Clock): void {
    this.#clock = clock;
    this.#lastWriteMs = clock.nowMs();
    this.#awaitSilence(KEEP_ALIVE_MS);
  }

  /** Ends the stream with OpenAI's terminator. */
  done(): void {
    this.#write("data: [DONE]\n\n");
    if (this.#ended) return;
    this.#ended = true;
    this.#stopTimer();
    this.#reply.raw.end();
  }

  /** One timer looks at the last write, so that a write costs no timer. */
  #awaitSilence(delayMs: number): void {
    const clock = this.#clock;
    if (clock === null || this.#ended) return;
    this.#stopTimer = clock.setTimer(delayMs, () => {
      const silentMs = clock.nowMs() - this.#lastWriteMs;
      const broken = silentMs >= KEEP_ALIVE_MS;
      if (broken) this.#write(": keep-alive\n\n");
      this.#awaitSilence(broken ? KEEP_ALIVE_MS : KEEP_ALIVE_MS - silentMs);
    });
  }

  #write(text: string): void {
    if (this.#ended) return;
    if (!this.#opened) this.#open();
    if (this.#clock !== null) this.#lastWriteMs = this.#clock.nowMs();
    const { raw } = this.#reply;
    if (raw.writableCorked === 0) {
      // What is written from here on nobody had time to read, however long it is.
      if (raw.writableLength > this.#maxBufferedBytes) {
        raw.destroy();
        this.#gone();
        return;
      }
      // The events of one engine step leave in one packet.
      raw.cork();
      process.nextTick(() => raw.uncork());
    }
    raw.write(text);
  }

  #gone(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopTimer();
    this.#onGone();
  }

  #open(): void {
    this.#opened = true;
    const { raw } = this.#reply;
    this.#reply.hijack();
    raw.once("close", () => this.#gone());
    if (raw.destroyed) {
      this.#gone();
      return;
    }
    for (const [name, value] of Object.entries(this.#reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value);
    }
    raw.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    });
  }
}
