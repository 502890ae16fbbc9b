// GET /health and /ready: liveness (does the process need a restart?) and readiness (does it take requests?).
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "../app-context.ts";

const status = z
  .object({
    status: z
      .enum(["ok", "ready", "loading", "shutting_down", "engine_stalled", "engine_failed"])
      .describe("The server's state."),
  })
  .meta({ title: "ProbeStatus" });

const readyStatus = status
  .extend({
    kernels: z
      .string()
      .optional()
      .describe(
        "What computes the student's steps, once it is loaded: the instruction set of magdi's own operators, or \"stock\" for ONNX Runtime's and why.",
      ),
  })
  .meta({ title: "ReadyStatus" });

export const probesRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  app.get(
    "/health",
    {
      config: { open: true },
      schema: {
        operationId: "health",
        tags: ["Operations"],
        description:
          "503 if the engine has failed or is stalled; otherwise 200, also while the student loads. Needs no API key.",
        summary: "Liveness probe",
        response: { 200: status, 503: status },
      },
    },
    async (_request, reply) => {
      if (context.lifecycle.alive) return { status: "ok" as const };
      return reply.code(503).send({ status: context.lifecycle.readiness() });
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
          "200 while the server takes requests; 503 while the student loads, if the engine has failed or is stalled, and from SIGTERM on. Needs no API key.",
        summary: "Readiness probe",
        response: { 200: readyStatus, 503: readyStatus },
      },
    },
    async (_request, reply) => {
      const readiness = context.lifecycle.readiness();
      const { kernels } = context.lifecycle.student?.manifest ?? {};
      const body = { status: readiness, ...(typeof kernels === "string" ? { kernels } : {}) };
      return reply.code(readiness === "ready" ? 200 : 503).send(body);
    },
  );
};
