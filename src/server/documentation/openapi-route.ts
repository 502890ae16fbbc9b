// GET /openapi.json: the API's description, as the app's routes give it.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "../serving-context.ts";
import type { DescribedRoute } from "./route-list.ts";

export interface OpenApiRouteOptions extends RouteOptions {
  /** All of the app's, this one among them. */
  readonly routes: readonly DescribedRoute[];
}

export const openApiRoute: FastifyPluginAsyncZod<OpenApiRouteOptions> = async (app, { routes }) => {
  let text: Promise<string> | null = null;
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
      text ??= documentText(routes, app.apiKeys === null);
      return reply.header("content-type", "application/json; charset=utf-8").send(await text);
    },
  );
};

async function documentText(routes: readonly DescribedRoute[], keysOptional: boolean): Promise<string> {
  const { describeApi } = await import("./openapi.ts");
  return JSON.stringify(await describeApi(routes, keysOptional));
}
