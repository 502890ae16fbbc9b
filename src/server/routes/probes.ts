// GET /health and /ready: whether a restart is needed, and whether new work is taken.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "./route-options.ts";

const status = z.object({ status: z.string() });

export const probesRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  app.get(
    "/health",
    {
      config: { open: true },
      schema: { summary: "Fails only when a restart is the cure", response: { 200: status, 503: status } },
    },
    async (_request, reply) => {
      if (context.admission.alive) return { status: "ok" };
      return reply.code(503).send({ status: context.admission.readiness() });
    },
  );
  app.get(
    "/ready",
    {
      config: { open: true },
      schema: { summary: "Succeeds while new work is taken", response: { 200: status, 503: status } },
    },
    async (_request, reply) => {
      const readiness = context.admission.readiness();
      return reply.code(readiness === "ready" ? 200 : 503).send({ status: readiness });
    },
  );
};
