// GET /: the playground for browsers, and for everybody else the list of endpoints.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { identify } from "../access/authentication.ts";
import { readStaticFiles, sendStaticFile } from "../transport/static-files.ts";
import { PLAYGROUND_FOLDER, PLAYGROUND_PAGE } from "./playground.ts";
import type { RouteOptions } from "./route-options.ts";

export interface IndexRouteOptions extends RouteOptions {
  /** As listEndpoints gives them. */
  readonly endpoints: readonly string[];
}

export const indexRoute: FastifyPluginAsyncZod<IndexRouteOptions> = async (app, { context, endpoints }) => {
  const page = readStaticFiles(PLAYGROUND_FOLDER).get(PLAYGROUND_PAGE);
  if (page === undefined) throw new Error(`${PLAYGROUND_FOLDER.pathname} has no ${PLAYGROUND_PAGE}`);
  app.get(
    "/",
    // The page says nothing of the server: what it shows, it asks for with its reader's key.
    { config: { open: true }, schema: { summary: "The endpoints; for a browser, a page to try them" } },
    async (request, reply) => {
      const varies = [reply.getHeader("vary") ?? [], "accept"].flat();
      reply.header("vary", varies.join(", "));
      if (prefersHtml(request.headers.accept)) return sendStaticFile(request, reply, page);
      const problem = identify(request);
      if (problem !== null) throw problem;
      return { name: "magdi", model: context.admission.student?.id ?? null, endpoints };
    },
  );
};

/** Whether an Accept header asks for HTML by name, and for JSON no more than that. Wildcards ask for neither. */
function prefersHtml(accept: string | undefined): boolean {
  const quality = (type: string) => {
    for (const range of (accept ?? "").split(",")) {
      const [name = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
      if (name !== type) continue;
      const q = parameters.find((parameter) => parameter.startsWith("q="));
      return q === undefined ? 1 : Number(q.slice(2)) || 0;
    }
    return 0;
  };
  const html = quality("text/html");
  return html > 0 && html >= quality("application/json");
}
