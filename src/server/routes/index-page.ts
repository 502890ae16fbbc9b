// GET /: where to go from here.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import type { RouteOptions } from "./route-options.ts";

export const indexRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  app.get("/", { schema: { summary: "The endpoints" } }, async () => ({
    name: "magdi",
    model: context.admission.student?.id ?? null,
    endpoints: [
      "POST /v1/reason",
      "POST /v1/chat/completions",
      "POST /v1/completions",
      "GET /v1/models",
      "GET /health",
      "GET /ready",
      "GET /metrics",
    ],
  }));
};
