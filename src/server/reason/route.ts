// POST /v1/reason: one question in, one voted answer out, whole or streamed.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { admit, answerStreamed, answerWhole } from "../inference-route.ts";
import type { RouteOptions } from "../serving-context.ts";
import { answerQuestion } from "./answer-question.ts";
import { streamFrame } from "./frames.ts";
import { reasonRequest, reasonResponse } from "./schema.ts";

const DESCRIPTION = `One question in, one voted answer out. All samples share one prefill of the prompt, and their
answers are compared by value. With \`stream\`, server-sent events bear the names of their frames' types and end with
\`data: [DONE]\`; a failure after the stream has begun is an \`error\` frame.`;

export const reasonRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context, config }) => {
  app.post(
    "/v1/reason",
    {
      config: { inference: true, eventStream: streamFrame },
      schema: {
        operationId: "reason",
        tags: ["Reasoning"],
        summary: "Answer a question by voting over samples of its reasoning",
        description: DESCRIPTION,
        body: reasonRequest(config.maxSamples),
        response: { 200: reasonResponse },
      },
    },
    async (request, reply) => {
      const student = admit(context, reply);
      const { body, caller, trace } = request;
      if (!body.stream)
        return answerWhole(reply, answerQuestion(context, student, caller, body, undefined, trace));
      return answerStreamed(reply, {
        context,
        maxBufferedBytes: config.streamBufferBytes,
        start: (stream) =>
          answerQuestion(context, student, caller, body, (frame) => stream.send(frame, frame.type), trace),
        sendError: (stream, { error }, id) => stream.send({ type: "error", id, error }, "error"),
      });
    },
  );
};
