// One streamed answer, of the student or of a debate: its frames as they arrive, and its result.
import type { AnswerKind, Answers, ServerFrame } from "./api-types.ts";
import { CallScope } from "./call-scope.ts";
import { MagdiApiError, MagdiConnectionError } from "./client-error.ts";
import { Deferred } from "./deferred.ts";
import { readEvents } from "./event-parser.ts";

const DONE = "[DONE]";

/**
 * The request is sent when the first frame or the result is asked for. The frames can be read once; leaving the loop
 * before the result aborts the request, on the server too.
 *
 * @example
 * const stream = client.reasonStream({ question: "What is 12 * 7?" });
 * for await (const frame of stream) if (frame.type === "token") process.stdout.write(frame.text);
 * const { answer } = await stream.result();
 */
export class ReasonStream<K extends AnswerKind = "reason"> implements AsyncIterable<Answers[K]["frame"]> {
  readonly #open: (scope: CallScope) => Promise<Response>;
  readonly #signal: AbortSignal | undefined;
  readonly #timeoutMs: number;
  readonly #result = new Deferred<Answers[K]["response"]>();
  #taken = false;

  constructor(
    open: (scope: CallScope) => Promise<Response>,
    options: { readonly signal: AbortSignal | undefined; readonly timeoutMs: number },
  ) {
    this.#open = open;
    this.#signal = options.signal;
    this.#timeoutMs = options.timeoutMs;
  }

  /**
   * The response. Reads and drops the frames unless they are being read already.
   *
   * @throws what reading the frames throws
   */
  async result(): Promise<Answers[K]["response"]> {
    if (!this.#taken) {
      for await (const _ of this) {
        // The result frame settles the promise.
      }
    }
    return this.#result.promise;
  }

  /** @throws MagdiApiError, MagdiConnectionError, MagdiTimeoutError, or the signal's reason */
  [Symbol.asyncIterator](): AsyncIterator<Answers[K]["frame"], undefined> {
    if (this.#taken) throw new TypeError("the frames of a stream can be read once");
    this.#taken = true;
    const scope = new CallScope(this.#signal, this.#timeoutMs);
    const frames = this.#frames(scope);
    const failed = (error: unknown) => {
      scope.close();
      const reason = scope.explain(error, "the stream broke");
      this.#result.reject(reason);
      return reason;
    };
    return {
      next: async () => {
        try {
          const { done, value } = await frames.next();
          if (!done) return { done: false, value };
          scope.close();
          return { done: true, value: undefined };
        } catch (error) {
          throw failed(error);
        }
      },
      return: async () => {
        const left = new DOMException("the stream was left before its result", "AbortError");
        scope.abort(left);
        failed(left);
        await frames.return().catch(() => {});
        return { done: true, value: undefined };
      },
    };
  }

  async *#frames(scope: CallScope): AsyncGenerator<Answers[K]["frame"], void> {
    const response = await this.#open(scope);
    if (response.body === null) throw new MagdiConnectionError("the server's answer has no body");
    let settled = false;
    for await (const { data } of readEvents(response.body, () => scope.heard())) {
      // Read to the end of the body, so that the connection can be reused.
      if (data === DONE) continue;
      const frame = frameOf(data);
      if (frame.type === "pong") continue;
      if (frame.type === "error") {
        throw new MagdiApiError(frame, { requestId: response.headers.get("x-request-id") });
      }
      const result = responseOf<K>(frame);
      if (result !== null) {
        settled = true;
        this.#result.resolve(result);
      }
      yield frame as Answers[K]["frame"]; // the route that was asked sends no others
    }
    if (!settled) throw new MagdiConnectionError("the stream ended before its result");
  }
}

/** @throws MagdiConnectionError for anything but a JSON object with a type */
export function frameOf(text: string): ServerFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch (cause) {
    throw new MagdiConnectionError("expected a JSON frame, found text that is not JSON", { cause });
  }
  if (typeof frame !== "object" || frame === null || !("type" in frame) || typeof frame.type !== "string") {
    throw new MagdiConnectionError("expected a JSON object with a type, found something else");
  }
  return frame as ServerFrame; // the server checks its frames against the schema of this type
}

/** A result frame is the response with a type added; null for any other frame. */
export function responseOf<K extends AnswerKind>(frame: ServerFrame): Answers[K]["response"] | null {
  if (frame.type !== "result" && frame.type !== "debate_result") return null;
  const { type: _type, ...response } = frame;
  return response as Answers[K]["response"]; // a question has the result of its kind
}
