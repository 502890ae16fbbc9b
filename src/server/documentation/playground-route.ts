// GET /: the playground for browsers, the list of endpoints for other clients; GET /playground/…: the page's files.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "../app-context.ts";
import { prefersHtml } from "../transport/request-headers.ts";
import { readStaticFiles, sendStaticFile } from "../transport/static-files.ts";
import { endpointOf } from "./route-list.ts";

const PLAYGROUND_FOLDER = new URL("../playground/", import.meta.url);
const PLAYGROUND_PAGE = "index.html";

const endpointList = z.object({
  name: z.literal("magdi"),
  model: z.string().nullable().describe("The served model; null while it loads."),
  endpoints: z.array(z.string()).describe("As POST /v1/reason."),
});

export const indexRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context, routes }) => {
  const page = readStaticFiles(PLAYGROUND_FOLDER).get(PLAYGROUND_PAGE);
  if (page === undefined) throw new Error(`${PLAYGROUND_FOLDER.pathname} has no ${PLAYGROUND_PAGE}`);
  app.get(
    "/",
    {
      schema: {
        operationId: "index",
        tags: ["Operations"],
        summary: "List the endpoints; for browsers, the playground",
        description: "JSON, unless `Accept` names HTML with at least the quality of JSON.",
        response: {
          200: {
            description: "The endpoints, or the page.",
            content: { "application/json": { schema: endpointList }, "text/html": { schema: z.string() } },
          },
        },
      },
    },
    async (request, reply) => {
      const varies = [reply.getHeader("vary") ?? [], "accept"].flat();
      reply.header("vary", varies.join(", "));
      if (prefersHtml(request.headers.accept)) return sendStaticFile(request, reply, page);
      return {
        name: "magdi" as const,
        model: context.lifecycle.student?.id ?? null,
        endpoints: routes.filter(({ schema }) => !schema?.hide).map(endpointOf),
      };
    },
  );
};

/** The page's scripts, styles and icon. The page uses the public API like any client. */
export const playgroundRoute: FastifyPluginAsyncZod<RouteOptions> = async (app) => {
  for (const file of readStaticFiles(PLAYGROUND_FOLDER).values()) {
    if (file.name === PLAYGROUND_PAGE) continue;
    app.get(`/playground/${file.name}`, { schema: { hide: true } }, (request, reply) =>
      sendStaticFile(request, reply, file),
    );
  }
};
