// POST /v1/reason: one question in, one voted answer out, whole or streamed.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { admit, answerStreamed, answerWhole } from "../answering/inference-route.ts";
import { startReason } from "../answering/reason-service.ts";
import { reasonRequest, reasonResponse } from "../schemas/reason.ts";
import type { RouteOptions } from "./route-options.ts";

export const reasonRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context, config }) => {
  app.post(
    "/v1/reason",
    {
      config: { inference: true },
      schema: {
        summary: "Answer a question by voting over samples of its reasoning",
        body: reasonRequest(config.maxSamples),
        response: { 200: reasonResponse },
      },
    },
    async (request, reply) => {
      const student = admit(context, reply);
      const { body, caller } = request;
      if (!body.stream) return answerWhole(reply, startReason(context, student, caller, body));
      return answerStreamed(reply, {
        context,
        maxBufferedBytes: config.streamBufferBytes,
        start: (stream) =>
          startReason(context, student, caller, body, (frame) => stream.send(frame, frame.type)),
        sendError: (stream, { error }, id) => stream.send({ type: "error", id, error }, "error"),
      });
    },
  );
};
