// POST /v1/reason: answers a question by a vote, whole or streamed.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import type { RouteOptions } from "../app-context.ts";
import { admit, answerStreamed, answerWhole } from "../inference-route.ts";
import { answerQuestion } from "./answer-question.ts";
import { streamFrame } from "./frames.ts";
import { reasonRequest, reasonResponse } from "./schema.ts";

const DESCRIPTION = `Answers a question by a vote over samples. All samples share one prefill of the prompt, and their
answers are compared by value. With \`stream\`, the answer is sent as server-sent events named by frame type, ending with
\`data: [DONE]\`; an error after the stream has begun is an \`error\` frame.`;

export const reasonRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  app.post(
    "/v1/reason",
    {
      config: { inference: true, eventStream: streamFrame },
      schema: {
        operationId: "reason",
        tags: ["Reasoning"],
        summary: "Answer a question by voting over samples of its reasoning",
        description: DESCRIPTION,
        body: reasonRequest(context.config.maxSamples),
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
        start: (stream) =>
          answerQuestion(context, student, caller, body, (frame) => stream.send(frame, frame.type), trace),
        sendError: (stream, { error }, id) => stream.send({ type: "error", id, error }, "error"),
      });
    },
  );
};
