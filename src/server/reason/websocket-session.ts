// The requests of one WebSocket connection: reads client frames, starts and cancels questions, sends their frames with
// the client's ids. No WebSocket library here.
import type { FastifyBaseLogger } from "fastify";
import type { ZodType } from "zod";
import { badField } from "../../asking/sampling.ts";
import { MagdiError } from "../../base/errors.ts";
import type { Caller } from "../access/caller.ts";
import type { ServingContext } from "../app-context.ts";
import { answerDebate, type DebateAnswerRun, requireDebates } from "../debate/answer-debate.ts";
import type { DebateFrame } from "../debate/debate-frames.ts";
import type { RequestTrace } from "../observation/request-trace.ts";
import { type ErrorBody, toHttpError } from "../transport/http-errors.ts";
import { assertShallow, parseBody } from "../transport/request-body.ts";
import { answerQuestion, type ReasonRun } from "./answer-question.ts";
import { type ClientFrames, type ReasonFrame, type ServerFrame, serverFrame } from "./frames.ts";

const CLIENT_TYPES = ["reason", "debate", "cancel", "enough", "ping"];

/** After so many invalid frames in a row the client is not speaking this protocol. */
const MAX_INVALID_FRAMES = 32;

export interface WebSocketSessionOptions {
  readonly context: ServingContext;
  readonly caller: Caller;
  readonly frames: ClientFrames;
  /** Most concurrent requests. */
  readonly maxRequests: number;
  readonly log: FastifyBaseLogger;
  /** Called for each question before it is read; throws if the caller is over the rate limit. */
  takeRequest(): void;
  /** Starts the trace of one question. */
  openTrace(): RequestTrace;
  /** Called with each valid question. */
  onQuestion(question: object): void;
  /** Called when the first request begins to run, and when the last has ended. */
  onBusy(busy: boolean): void;
  send(frame: ServerFrame): void;
  /** Called after too many invalid frames in a row. */
  onTooManyInvalidFrames(): void;
}

interface LiveRequest {
  run: ReasonRun | DebateAnswerRun | null;
  /** Cancelled by the client: only its last frame is still sent. */
  cancelled: boolean;
  /** Ends its count as an active request. */
  leave: () => void;
  readonly trace: RequestTrace;
}

export class WebSocketSession {
  readonly #options: WebSocketSessionOptions;
  readonly #live = new Map<string, LiveRequest>();
  #invalidFrames = 0;
  #ended = false;

  constructor(options: WebSocketSessionOptions) {
    this.#options = options;
  }

  /** Handles a client frame; null stands for a binary one. Never throws: errors are sent as error frames. */
  receive(text: string | null): void {
    let frame: Readonly<Record<string, unknown>>;
    try {
      frame = parseFrame(text);
    } catch (error) {
      this.#fail(null, error);
      this.#invalidFrames++;
      if (this.#invalidFrames >= MAX_INVALID_FRAMES) this.#options.onTooManyInvalidFrames();
      return;
    }
    this.#invalidFrames = 0;
    try {
      this.#handle(frame);
    } catch (error) {
      // Not from a question: #start sends and counts its own errors.
      const failure = toHttpError(error);
      if (failure.status >= 500) this.#options.log.error({ err: error }, "client frame failed");
      this.#sendError(null, failure.body);
    }
  }

  /** The client has disconnected: cancels all its requests. */
  end(): void {
    this.#ended = true;
    for (const { run } of this.#live.values()) run?.cancel("disconnect");
  }

  #handle(frame: Readonly<Record<string, unknown>>): void {
    const { frames, send, context, caller } = this.#options;
    switch (frame.type) {
      case "reason":
        this.#start(frame, frames.reason, (request, forward, trace) => {
          const student = context.lifecycle.requireStudent();
          return () =>
            answerQuestion(context, student, caller, { ...request, stream: false }, forward, trace);
        });
        break;
      case "debate":
        this.#start(frame, frames.debate, (request, forward) => {
          requireDebates(context, caller);
          return () => answerDebate(context, caller, { ...request, stream: false }, forward);
        });
        break;
      case "cancel":
        this.#cancel(parseBody(frames.cancel, frame).id);
        break;
      case "enough":
        this.#liveRequest(parseBody(frames.enough, frame).id).run?.enough();
        break;
      default:
        parseBody(frames.ping, frame);
        send({ type: "pong" });
    }
  }

  /** `prepare` checks the request, before it takes a place among those that run, and gives what begins it. */
  #start<T extends { readonly type: string; readonly id: string }>(
    frame: Readonly<Record<string, unknown>>,
    schema: ZodType<T>,
    prepare: (
      request: Omit<T, "type" | "id">,
      forward: (sent: ReasonFrame | DebateFrame) => void,
      trace: RequestTrace,
    ) => () => ReasonRun | DebateAnswerRun,
  ): void {
    const { context, frames } = this.#options;
    const given = frames.cancel.shape.id.safeParse(frame.id);
    // An error with the id of a running request would look like the end of that request.
    let id = given.success && !this.#live.has(given.data) ? given.data : null;
    const trace = this.#options.openTrace();
    try {
      this.#options.takeRequest();
      const { type: _type, id: asked, ...request } = parseBody(schema, frame);
      this.#options.onQuestion(request);
      const live: LiveRequest = { run: null, cancelled: false, leave: () => {}, trace };
      const begin = prepare(request, (sent) => this.#forward(asked, live, sent), trace);
      this.#assertRoomFor(asked);
      id = asked;
      live.leave = context.lifecycle.enter();
      this.#live.set(asked, live);
      if (this.#live.size === 1) this.#options.onBusy(true);
      try {
        live.run = begin();
      } catch (error) {
        this.#free(asked, live);
        live.leave();
        throw error;
      }
      // Sending the first frame may have closed the connection of a slow reader.
      if (this.#ended) live.run.cancel("disconnect");
      void this.#finish(asked, live, live.run);
    } catch (error) {
      this.#fail(id, error, trace);
      trace.close(null, true);
    }
  }

  /** Sends a frame with the client's id. A frame that does not match its schema fails the request. */
  #forward(id: string, live: LiveRequest, frame: ReasonFrame | DebateFrame): void {
    if (live.cancelled) return;
    const sent = { ...frame, id };
    // "token" and "accepted" are fully checked by the compiler.
    if (sent.type !== "token" && sent.type !== "accepted") serverFrame.parse(sent);
    if (sent.type === "result" || sent.type === "debate_result") this.#free(id, live);
    this.#options.send(sent);
  }

  async #finish(id: string, live: LiveRequest, run: ReasonRun | DebateAnswerRun): Promise<void> {
    try {
      await run.done;
      this.#free(id, live);
      // Already counted as a failure with the question's metrics.
      if (live.cancelled) {
        const failure = toHttpError(cancelled(id));
        live.trace.failed(failure);
        this.#sendError(id, failure.body);
      }
    } catch (error) {
      this.#free(id, live);
      this.#fail(id, error, live.trace);
    }
    live.trace.close(null, !this.#ended);
    live.leave();
  }

  /** Frees the id for reuse; called before the client is told that its request has ended. */
  #free(id: string, live: LiveRequest): void {
    if (this.#live.get(id) !== live) return;
    this.#live.delete(id);
    if (this.#live.size === 0) this.#options.onBusy(false);
  }

  #assertRoomFor(id: string): void {
    const { maxRequests } = this.#options;
    if (this.#live.has(id)) {
      throw badField("id", `a request ${id} is already running on this connection`);
    }
    if (this.#live.size < maxRequests) return;
    throw new MagdiError(
      "MAGDI_TOO_MANY_REQUESTS",
      `${maxRequests} requests are running on this connection, which is the limit; wait for one to end`,
    );
  }

  #cancel(id: string): void {
    const live = this.#liveRequest(id);
    live.cancelled = true;
    live.run?.cancel("cancelled");
  }

  #liveRequest(id: string): LiveRequest {
    const live = this.#live.get(id);
    if (live !== undefined) return live;
    throw badField("id", `no request ${id} is running on this connection; it may have ended`);
  }

  #fail(id: string | null, error: unknown, trace: RequestTrace | null = null): void {
    const { context, log } = this.#options;
    const failure = toHttpError(error);
    trace?.failed(failure);
    context.metrics.countFailure(failure.reason);
    if (failure.status >= 500) log.error({ err: error }, "WebSocket request failed");
    this.#sendError(id, failure.body);
  }

  #sendError(id: string | null, { error }: ErrorBody): void {
    this.#options.send({ type: "error", id, error });
  }
}

/** @throws MagdiError MAGDI_BAD_REQUEST unless it is a JSON object with a client frame's type */
function parseFrame(text: string | null): Readonly<Record<string, unknown>> {
  if (text === null) throw invalidFrame("expected a text frame, found a binary one");
  assertShallow(text);
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    throw invalidFrame("expected JSON, found other text");
  }
  if (typeof frame !== "object" || frame === null || Array.isArray(frame)) {
    throw invalidFrame("expected a JSON object with a type");
  }
  // A JSON object, whose values stay unknown.
  const fields = frame as Record<string, unknown>;
  if (typeof fields.type === "string" && CLIENT_TYPES.includes(fields.type)) return fields;
  throw invalidFrame(`type: expected one of ${CLIENT_TYPES.join(", ")}`, "type");
}

function invalidFrame(message: string, param?: string): MagdiError {
  return new MagdiError("MAGDI_BAD_REQUEST", message, param === undefined ? {} : { param });
}

function cancelled(id: string): MagdiError {
  return new MagdiError("MAGDI_CANCELLED", `the client cancelled request ${id}`);
}
