// What all inference routes do: check that the server takes work, answer whole or as a stream, cancel when the client
// disconnects, report errors inside a stream that has begun.

import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { InferenceRun, ServingContext } from "./app-context.ts";
import type { ServedStudent } from "./served-student.ts";
import { EventStream } from "./transport/event-stream.ts";
import { type ErrorBody, toHttpError } from "./transport/http-errors.ts";

/**
 * The student for a new request; the request counts as active until its response is closed.
 *
 * @throws MagdiError as Lifecycle.requireStudent
 */
export function admit(context: ServingContext, reply: FastifyReply): ServedStudent {
  const student = context.lifecycle.requireStudent();
  enterUntilClosed(context, reply);
  return student;
}

/** Counts the request as active until its response is closed. */
export function enterUntilClosed({ lifecycle }: ServingContext, reply: FastifyReply): void {
  const leave = lifecycle.enter();
  if (reply.raw.destroyed) leave();
  else reply.raw.once("close", leave);
}

/** Waits for the whole answer; cancels if the client disconnects. */
export async function answerWhole<T>(reply: FastifyReply, run: InferenceRun<T>): Promise<T> {
  forgetBody(reply);
  const stopWatching = onDisconnect(reply.raw, () => run.cancel("disconnect"));
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
  /** Starts the work, which writes events to the stream. An error thrown before the first event is answered by status. */
  start(stream: EventStream): InferenceRun<unknown>;
  /** Sends an error that came after the stream began. */
  sendError(stream: EventStream, body: ErrorBody, runId: string): void;
}

/** Streams an answer; the stream ends with [DONE] even after an error. */
export async function answerStreamed(reply: FastifyReply, answer: StreamedAnswer): Promise<FastifyReply> {
  let run: InferenceRun<unknown> | null = null;
  let disconnected = false;
  const cancel = () => {
    disconnected = true;
    run?.cancel("disconnect");
  };
  const stream = new EventStream(reply, {
    maxBufferedBytes: answer.context.config.streamBufferBytes,
    onClosed: cancel,
  });
  run = answer.start(stream);
  forgetBody(reply);
  if (disconnected) run.cancel("disconnect");
  // The stream notices a disconnect only once it has sent something; this also covers waiting and prefill.
  const stopWatching = onDisconnect(reply.raw, cancel);
  stream.keepAlive(answer.context.clock);
  try {
    await run.done;
  } catch (error) {
    const failure = toHttpError(error);
    answer.context.metrics.countFailure(failure.reason);
    reply.request.trace.failed(failure);
    if (failure.status >= 500) reply.log.error({ err: error }, "streamed request failed");
    answer.sendError(stream, failure.body, run.id);
  } finally {
    stopWatching();
  }
  stream.done();
  return reply;
}

/** What a request needs of its body was read: while it waits and runs, it does not hold a megabyte of text. */
function forgetBody(reply: FastifyReply): void {
  reply.request.body = undefined;
}

/** Calls back once if the connection closes before the whole response was written; the returned function stops watching. */
export function onDisconnect(response: ServerResponse, callback: () => void): () => void {
  const closed = () => {
    if (!response.writableFinished) callback();
  };
  if (response.destroyed) closed();
  else response.once("close", closed);
  return () => void response.off("close", closed);
}
