// How an inference route answers, whole or as a stream: admission, the client's disappearance, errors after the
// stream has begun. It knows neither prompts nor response shapes.

import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { ServedStudent } from "./served-student.ts";
import type { Run, ServingContext } from "./serving-context.ts";
import { EventStream } from "./transport/event-stream.ts";
import { type ErrorBody, toHttpError } from "./transport/http-errors.ts";

/** The student for a new request, which stays active until its response is closed. */
export function admit(context: ServingContext, reply: FastifyReply): ServedStudent {
  const student = context.admission.require();
  const leave = context.admission.enter();
  if (reply.raw.destroyed) leave();
  else reply.raw.once("close", leave);
  return student;
}

/** Waits for the whole answer; cancels when the client goes away. */
export async function answerWhole<T>(reply: FastifyReply, run: Run<T>): Promise<T> {
  const stopWatching = onClientGone(reply.raw, () => run.cancel("disconnect"));
  try {
    const answer = await run.done;
    const timing = reply.request.trace.serverTiming;
    if (timing !== null) reply.header("server-timing", timing);
    return answer;
  } finally {
    stopWatching();
  }
}

export interface StreamedAnswer {
  readonly context: ServingContext;
  readonly maxBufferedBytes: number;
  /** Begins the work, writing events to the stream; what it throws before the first event is answered by status. */
  start(stream: EventStream): Run<unknown>;
  /** Tells the stream of a failure after it began. */
  sendError(stream: EventStream, body: ErrorBody, runId: string): void;
}

/** Streams an answer and ends it with [DONE], also when it fails. */
export async function answerStreamed(reply: FastifyReply, answer: StreamedAnswer): Promise<FastifyReply> {
  let run: Run<unknown> | null = null;
  let gone = false;
  const leave = () => {
    gone = true;
    run?.cancel("disconnect");
  };
  const stream = new EventStream(reply, {
    maxBufferedBytes: answer.maxBufferedBytes,
    onGone: leave,
  });
  run = answer.start(stream);
  if (gone) run.cancel("disconnect");
  // The stream notices it too, but only once something was sent: a client may leave while queued, or in prefill.
  const stopWatching = onClientGone(reply.raw, leave);
  stream.keepAlive(answer.context.clock);
  try {
    await run.done;
  } catch (error) {
    const failure = toHttpError(error);
    answer.context.metrics.countFailure(failure.reason);
    reply.request.trace.failed(failure);
    if (failure.status >= 500) reply.log.error({ err: error }, "a streamed request failed");
    answer.sendError(stream, failure.body, run.id);
  } finally {
    stopWatching();
  }
  stream.done();
  return reply;
}

/** Calls back once if the connection closes before the response is written; the returned function stops watching. */
export function onClientGone(response: ServerResponse, callback: () => void): () => void {
  const closed = () => {
    if (!response.writableFinished) callback();
  };
  if (response.destroyed) closed();
  else response.once("close", closed);
  return () => void response.off("close", closed);
}
