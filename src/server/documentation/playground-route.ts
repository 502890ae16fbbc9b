// GET /: the playground for browsers, and for everybody else the list of endpoints; GET /playground/…: what its page loads.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "../serving-context.ts";
import { prefersHtml } from "../transport/accept-header.ts";
import { readStaticFiles, sendStaticFile } from "../transport/static-files.ts";

const PLAYGROUND_FOLDER = new URL("../playground/", import.meta.url);
const PLAYGROUND_PAGE = "index.html";

const endpointList = z.object({
  name: z.literal("magdi"),
  model: z.string().nullable().describe("The served student; null while it loads."),
  endpoints: z.array(z.string()).describe("Such as POST /v1/reason."),
});

export interface IndexRouteOptions extends RouteOptions {
  /** As listEndpoints gives them. */
  readonly endpoints: readonly string[];
}

export const indexRoute: FastifyPluginAsyncZod<IndexRouteOptions> = async (app, { context, endpoints }) => {
  const page = readStaticFiles(PLAYGROUND_FOLDER).get(PLAYGROUND_PAGE);
  if (page === undefined) throw new Error(`${PLAYGROUND_FOLDER.pathname} has no ${PLAYGROUND_PAGE}`);
  app.get(
    "/",
    {
      schema: {
        operationId: "index",
        tags: ["Operations"],
        summary: "The endpoints; for a browser, a page to try them",
        description: "JSON, unless `Accept` asks for HTML by name and for JSON no more than that.",
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
        model: context.admission.student?.id ?? null,
        endpoints: [...endpoints],
      };
    },
  );
};

/** The page's scripts, style and icon. What it asks of the server, it asks as any client. */
export const playgroundRoute: FastifyPluginAsyncZod<RouteOptions> = async (app) => {
  for (const file of readStaticFiles(PLAYGROUND_FOLDER).values()) {
    if (file.name === PLAYGROUND_PAGE) continue;
    app.get(`/playground/${file.name}`, { schema: { hide: true } }, (request, reply) =>
      sendStaticFile(request, reply, file),
    );
  }
};
