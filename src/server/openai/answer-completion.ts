// The answer of both OpenAI routes: a body, or chunks and [DONE]. It knows no request's fields.
import type { FastifyReply } from "fastify";
import type { ServerConfig } from "../config.ts";
import type { ServingContext } from "../generation-run.ts";
import { answerStreamed, answerWhole } from "../inference-route.ts";
import type { ServedStudent } from "../served-student.ts";
import type { ChatCompletion } from "./chat-response.ts";
import { type CompletionOrder, startCompletion } from "./completion-service.ts";
import type { TextCompletion } from "./text-response.ts";

export function answerCompletion<Body extends ChatCompletion | TextCompletion>(
  reply: FastifyReply,
  context: ServingContext,
  config: ServerConfig,
  student: ServedStudent,
  streamed: boolean,
  order: CompletionOrder<Body>,
): Promise<Body | FastifyReply> {
  if (!streamed) return answerWhole(reply, startCompletion(context, student, order, null));
  return answerStreamed(reply, {
    context,
    maxBufferedBytes: config.streamBufferBytes,
    start: (stream) => startCompletion(context, student, order, (chunk) => stream.send(chunk)),
    sendError: (stream, body) => stream.send(body),
  });
}
