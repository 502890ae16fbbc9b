// GET /openapi.json: the API's description, as the app's routes give it.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "./route-options.ts";

export const openApiRoute: FastifyPluginAsyncZod<RouteOptions> = async (app) => {
  let text: string | null = null;
  app.get(
    "/openapi.json",
    {
      schema: {
        operationId: "getOpenApi",
        tags: ["Operations"],
        summary: "This description, as OpenAPI 3.1",
        description: "Made of the schemas that requests are validated with.",
        response: {
          200: {
            description: "The document.",
            content: { "application/json": { schema: z.unknown() } },
          },
        },
      },
      serializerCompiler: () => JSON.stringify,
    },
    async (_request, reply) => {
      text ??= JSON.stringify(app.swagger());
      return reply.header("content-type", "application/json; charset=utf-8").send(text);
    },
  );
};
