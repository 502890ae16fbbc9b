// GET /metrics: the registry in Prometheus' text format.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import type { RouteOptions } from "./route-options.ts";

export const metricsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  const { registry } = context.metrics;
  app.get("/metrics", { schema: { summary: "Prometheus metrics" } }, async (_request, reply) =>
    reply.header("content-type", registry.contentType).send(await registry.metrics()),
  );
};
