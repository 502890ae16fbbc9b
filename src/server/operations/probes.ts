// GET /health and /ready: whether a restart is needed, and whether new work is taken.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "../serving-context.ts";

const status = z
  .object({
    status: z
      .enum(["ok", "ready", "loading", "shutting_down", "engine_stalled", "engine_failed"])
      .describe("In a word, what a probe found."),
  })
  .meta({ title: "ProbeStatus" });

export const probesRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  app.get(
    "/health",
    {
      config: { open: true },
      schema: {
        operationId: "health",
        tags: ["Operations"],
        description:
          "For a liveness probe: 503 once the engine has failed or stalled, 200 before, also while the student loads. Needs no key.",
        summary: "Fails only when a restart is the cure",
        response: { 200: status, 503: status },
      },
    },
    async (_request, reply) => {
      if (context.admission.alive) return { status: "ok" as const };
      return reply.code(503).send({ status: context.admission.readiness() });
    },
  );
  app.get(
    "/ready",
    {
      config: { open: true },
      schema: {
        operationId: "ready",
        tags: ["Operations"],
        description:
          "For a readiness probe: 503 while the student loads, when the engine has failed or stalled, and from SIGTERM on. Needs no key.",
        summary: "Succeeds while new work is taken",
        response: { 200: status, 503: status },
      },
    },
    async (_request, reply) => {
      const readiness = context.admission.readiness();
      return reply.code(readiness === "ready" ? 200 : 503).send({ status: readiness });
    },
  );
};
