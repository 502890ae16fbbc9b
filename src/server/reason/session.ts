// The requests of one socket: frames in, the work they start, frames out under the client's ids. It knows neither the
// socket nor the prompts and votes.
import type { FastifyBaseLogger } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import type { Caller } from "../access/caller.ts";
import type { RequestTrace } from "../observation/request-trace.ts";
import type { ServingContext } from "../serving-context.ts";
import { type ErrorBody, toHttpError } from "../transport/http-errors.ts";
import { parseBody } from "../transport/request-body.ts";
import { answerQuestion, type ReasonRun } from "./answer-question.ts";
import { type ClientFrames, type ReasonFrame, type ServerFrame, serverFrame } from "./frames.ts";

const CLIENT_TYPES = ["reason", "cancel", "enough", "ping"];

/** A client that sends so many frames on end that belong to no request is not speaking this protocol. */
const MAX_BAD_FRAMES = 32;

export interface SocketSessionOptions {
  readonly context: ServingContext;
  readonly caller: Caller;
  readonly frames: ClientFrames;
  /** Most requests at the same time. */
  readonly maxRequests: number;
  readonly log: FastifyBaseLogger;
  /** Called for each question before it is looked at; throws when its client may not ask now. */
  takeRequest(): void;
  /** Observes one question, from its frame on. */
  openTrace(): RequestTrace;
  /** Hears each question that is well-formed. */
  onQuestion(asked: object): void;
  send(frame: ServerFrame): void;
  /** Called when the client has sent too many frames that make no sense. */
  onNonsense(): void;
}

interface LiveRequest {
  run: ReasonRun | null;
  /** Whether its client has cancelled it: nothing but its last frame is sent. */
  cancelled: boolean;
  /** Tells the drain that it has ended. */
  readonly leave: () => void;
  readonly trace: RequestTrace;
}

export class SocketSession {
  readonly #options: SocketSessionOptions;
  readonly #live = new Map<string, LiveRequest>();
  #badFrames = 0;
  #ended = false;

  constructor(options: SocketSessionOptions) {
    this.#options = options;
  }

  /** Takes one frame; null is a binary one. Never throws: what is wrong with it is answered by an error frame. */
  receive(text: string | null): void {
    let frame: Readonly<Record<string, unknown>>;
    try {
      frame = typedFrame(text);
    } catch (error) {
      this.#refuse(null, error);
      this.#badFrames++;
      if (this.#badFrames >= MAX_BAD_FRAMES) this.#options.onNonsense();
      return;
    }
    this.#badFrames = 0;
    try {
      this.#obey(frame);
    } catch (error) {
      // What a question fails with was answered, and counted, where it starts.
      const failure = toHttpError(error);
      if (failure.status >= 500) this.#options.log.error({ err: error }, "a frame failed");
      this.#sendError(null, failure.body);
    }
  }

  /** The client is gone: all its requests leave the batch. */
  end(): void {
    this.#ended = true;
    for (const { run } of this.#live.values()) run?.cancel("disconnect");
  }

  #obey(frame: Readonly<Record<string, unknown>>): void {
    const { frames, send } = this.#options;
    switch (frame.type) {
      case "reason":
        this.#start(frame);
        break;
      case "cancel":
        this.#cancel(parseBody(frames.cancel, frame).id);
        break;
      case "enough":
        this.#require(parseBody(frames.enough, frame).id).run?.enough();
        break;
      default:
        parseBody(frames.ping, frame);
        send({ type: "pong" });
    }
  }

  #start(frame: Readonly<Record<string, unknown>>): void {
    const { context, caller, frames } = this.#options;
    const given = frames.cancel.shape.id.safeParse(frame.id);
    // An error under the id of a request that runs would read as the end of that one.
    let id = given.success && !this.#live.has(given.data) ? given.data : null;
    const trace = this.#options.openTrace();
    try {
      this.#options.takeRequest();
      const { type: _type, id: asked, ...request } = parseBody(frames.reason, frame);
      this.#options.onQuestion(request);
      const student = context.admission.require();
      this.#assertRoomFor(asked);
      id = asked;
      const live: LiveRequest = { run: null, cancelled: false, leave: context.admission.enter(), trace };
      this.#live.set(asked, live);
      try {
        const forward = (sent: ReasonFrame) => this.#forward(asked, live, sent);
        live.run = answerQuestion(context, student, caller, { ...request, stream: false }, forward, trace);
      } catch (error) {
        this.#free(asked, live);
        live.leave();
        throw error;
      }
      // Its first frame may have been the one too many for a slow reader.
      if (this.#ended) live.run.cancel("disconnect");
      void this.#finish(asked, live, live.run);
    } catch (error) {
      this.#refuse(id, error, trace);
      trace.close(null, true);
    }
  }

  /** Frames as the service makes them, under the client's id; one that breaks the contract fails its request. */
  #forward(id: string, live: LiveRequest, frame: ReasonFrame): void {
    if (live.cancelled) return;
    const sent = { ...frame, id };
    // Of a token and of "accepted" the compiler knows all there is to check.
    if (sent.type !== "token" && sent.type !== "accepted") serverFrame.parse(sent);
    if (sent.type === "result") this.#free(id, live);
    this.#options.send(sent);
  }

  async #finish(id: string, live: LiveRequest, run: ReasonRun): Promise<void> {
    try {
      await run.done;
      this.#free(id, live);
      // That it came to nothing was counted with its account.
      if (live.cancelled) {
        const failure = toHttpError(cancelled(id));
        live.trace.failed(failure);
        this.#sendError(id, failure.body);
      }
    } catch (error) {
      this.#free(id, live);
      this.#refuse(id, error, live.trace);
    }
    live.trace.close(null, !this.#ended);
    live.leave();
  }

  /** The id may be used again from here on; done before the client can know that its request has ended. */
  #free(id: string, live: LiveRequest): void {
    if (this.#live.get(id) === live) this.#live.delete(id);
  }

  #assertRoomFor(id: string): void {
    const { maxRequests } = this.#options;
    if (this.#live.has(id)) {
      throw new MagdiError("MAGDI_BAD_REQUEST", `id: a request ${id} is running on this connection already`, {
        param: "id",
      });
    }
    if (this.#live.size < maxRequests) return;
    throw new MagdiError(
      "MAGDI_TOO_MANY_REQUESTS",
      `${maxRequests} requests are running on this connection, the most it takes; wait for one to end`,
    );
  }

  #cancel(id: string): void {
    const live = this.#require(id);
    live.cancelled = true;
    live.run?.cancel("cancelled");
  }

  #require(id: string): LiveRequest {
    const live = this.#live.get(id);
    if (live !== undefined) return live;
    throw new MagdiError(
      "MAGDI_BAD_REQUEST",
      `id: no request ${id} is running on this connection; it may have ended`,
      { param: "id" },
    );
  }

  #refuse(id: string | null, error: unknown, trace: RequestTrace | null = null): void {
    const { context, log } = this.#options;
    const failure = toHttpError(error);
    trace?.failed(failure);
    context.metrics.countFailure(failure.reason);
    if (failure.status >= 500) log.error({ err: error }, "a request on a socket failed");
    this.#sendError(id, failure.body);
  }

  #sendError(id: string | null, { error }: ErrorBody): void {
    this.#options.send({ type: "error", id, error });
  }
}

/** @throws MagdiError MAGDI_BAD_REQUEST for what is no JSON object with a type that clients send */
function typedFrame(text: string | null): Readonly<Record<string, unknown>> {
  if (text === null) throw badFrame("expected a text frame, found a binary one");
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    throw badFrame("expected JSON, found text that is not");
  }
  if (typeof frame !== "object" || frame === null || Array.isArray(frame)) {
    throw badFrame("expected a JSON object with a type");
  }
  // A JSON object's own fields, whatever they are called.
  const fields = frame as Record<string, unknown>;
  if (typeof fields.type === "string" && CLIENT_TYPES.includes(fields.type)) return fields;
  throw badFrame(`type: expected one of ${CLIENT_TYPES.join(", ")}`, "type");
}

function badFrame(message: string, param?: string): MagdiError {
  return new MagdiError("MAGDI_BAD_REQUEST", message, param === undefined ? {} : { param });
}

function cancelled(id: string): MagdiError {
  return new MagdiError("MAGDI_CANCELLED", `the client cancelled request ${id}`);
}
