// GET /metrics: the registry in Prometheus' text format or in OpenMetrics.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "../serving-context.ts";

export const metricsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  const { exposer } = context.metrics;
  app.get(
    "/metrics",
    {
      schema: {
        operationId: "metrics",
        tags: ["Operations"],
        summary: "Prometheus metrics",
        description: "In Prometheus' text format, or in OpenMetrics where `Accept` prefers it.",
        response: {
          200: {
            description: "All series.",
            content: {
              "text/plain": { schema: z.string() },
              "application/openmetrics-text": { schema: z.string() },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { contentType, text } = await exposer.expose(request.headers.accept);
      return reply.header("content-type", contentType).send(text);
    },
  );
};
