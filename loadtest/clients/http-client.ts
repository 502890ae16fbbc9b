// An HTTP client with keep-alive for whole and streamed answers, which timestamps each event.
import { Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { answered, dropped, type Exchange, failed, rejected } from "../requests/exchange.ts";
import type { Order } from "../requests/order.ts";
import { AnswerReader, readWhole } from "./answer-reader.ts";
import { SseParser } from "./sse-parser.ts";
import { headersOf, type Target } from "./target.ts";

/** When a client disconnects on purpose: with the request just sent, at the first event, or at the first token. */
export type DropAt = "sent" | "begun" | "token";

export interface PerformOptions {
  readonly dropAt?: DropAt;
  /** A slow reader: nothing of a stream is read before this. */
  readonly readAfter?: Promise<void>;
  /** Called at the first token of a stream. */
  readonly onFirstToken?: () => void;
}

/** The connection broke or timed out. */
class Broken extends Error {}

export class HttpClient {
  readonly #target: Target;
  readonly #timeoutMs: number;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #open = new Set<() => void>();
  #closed = false;

  /** A request that takes longer than `timeoutMs` has failed. */
  constructor(target: Target, timeoutMs: number) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
  }

  /** Never rejects: what goes wrong is the exchange's error. */
  async perform(order: Order, options: PerformOptions = {}): Promise<Exchange> {
    const startMs = performance.now();
    const elapsed = () => ({ latencyMs: performance.now() - startMs });
    try {
      return await this.#send(order, startMs, options);
    } catch (error) {
      if (this.#closed || (options.dropAt !== undefined && error instanceof Broken)) {
        return dropped(order, elapsed());
      }
      return failed(order, error instanceof Error ? nameOf(error) : String(error), elapsed());
    }
  }

  /** A GET's status and body; rejects when the connection breaks. */
  async get(path: string): Promise<{ status: number; body: string }> {
    const { message, end } = await this.#exchange("GET", path, null);
    try {
      return { status: message.statusCode ?? 0, body: await text(message) };
    } finally {
      end();
    }
  }

  /** Aborts all open requests. */
  close(): void {
    this.#closed = true;
    for (const abort of this.#open) abort();
    this.#agent.destroy();
  }

  async #send(order: Order, startMs: number, options: PerformOptions): Promise<Exchange> {
    const { message, end } = await this.#exchange(
      "POST",
      order.path,
      JSON.stringify(order.body),
      options.dropAt === "sent",
    );
    try {
      const status = message.statusCode ?? 0;
      const streamed = message.headers["content-type"]?.startsWith("text/event-stream") ?? false;
      if (status === 200 && streamed) return await this.#stream(order, message, startMs, options);
      const body = await text(message);
      const measured = { latencyMs: performance.now() - startMs };
      if (status !== 200) return rejected(order, status, body, message.headers["retry-after"], measured);
      return answered(order, readWhole(order.kind, body), measured);
    } finally {
      end();
    }
  }

  async #stream(
    order: Order,
    message: IncomingMessage,
    startMs: number,
    { dropAt, readAfter, onFirstToken }: PerformOptions,
  ): Promise<Exchange> {
    await readAfter;
    const reader = new AnswerReader(order.kind, startMs);
    const parser = new SseParser();
    let done = false;
    let first = false;
    for await (const bytes of message as AsyncIterable<Buffer>) {
      // no encoding is set: chunks are Buffers
      const nowMs = performance.now();
      for (const { data } of parser.push(bytes)) {
        if (data === "[DONE]") done = true;
        else reader.push(JSON.parse(data), nowMs);
      }
      if (!first && reader.firstTokenMs !== null) {
        first = true;
        onFirstToken?.();
      }
      if ((dropAt === "begun" && reader.begun) || (dropAt === "token" && first)) {
        // Without an error: when the answer's end has come too, nobody listens to the connection any more.
        message.destroy();
        throw new Broken("dropped");
      }
    }
    const { firstTokenMs, gapsMs, answer, error } = reader;
    const measured = { latencyMs: performance.now() - startMs, firstTokenMs, gapsMs };
    if (!done || !parser.empty) return failed(order, "the stream broke off", measured);
    if (error !== null) return failed(order, `error event ${error}`, measured);
    if (answer === null) return failed(order, "the stream had no result", measured);
    return answered(order, answer, measured);
  }

  #exchange(
    method: string,
    path: string,
    body: string | null,
    dropWhenSent = false,
  ): Promise<{ message: IncomingMessage; end: () => void }> {
    return new Promise((resolve, reject) => {
      const headers = {
        ...headersOf(this.#target),
        ...(body === null ? {} : { "content-length": Buffer.byteLength(body) }),
      };
      const sent = request(`${this.#target.url}${path}`, { method, agent: this.#agent, headers });
      const abort = () => void sent.destroy(new Broken("aborted"));
      const timer = setTimeout(() => sent.destroy(new Broken("timed out")), this.#timeoutMs);
      const end = () => {
        clearTimeout(timer);
        this.#open.delete(abort);
      };
      this.#open.add(abort);
      sent.once("response", (message) => {
        // A response may break before it is read; reading it then fails.
        message.on("error", () => {});
        resolve({ message, end });
      });
      sent.on("error", (error) => {
        end();
        reject(error);
      });
      if (dropWhenSent) sent.once("finish", abort);
      sent.end(body ?? undefined);
    });
  }
}

/** Zod's messages are pages; codes such as ECONNRESET say more than their sentences. */
function nameOf(error: Error): string {
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.name === "ZodError" ? "an answer of the wrong shape" : error.message.slice(0, 100);
}
