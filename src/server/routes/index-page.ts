// GET /: the playground for browsers, and for everybody else the list of endpoints.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { readStaticFiles, sendStaticFile } from "../transport/static-files.ts";
import { PLAYGROUND_FOLDER, PLAYGROUND_PAGE } from "./playground.ts";
import type { RouteOptions } from "./route-options.ts";

/** The page brings everything it needs, and may load and call nothing but this server. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "object-src 'none'",
].join("; ");

export interface IndexRouteOptions extends RouteOptions {
  /** As listEndpoints gives them. */
  readonly endpoints: readonly string[];
}

export const indexRoute: FastifyPluginAsyncZod<IndexRouteOptions> = async (app, { context, endpoints }) => {
  const page = readStaticFiles(PLAYGROUND_FOLDER).get(PLAYGROUND_PAGE);
  if (page === undefined) throw new Error(`${PLAYGROUND_FOLDER.pathname} has no ${PLAYGROUND_PAGE}`);
  app.get(
    "/",
    { schema: { summary: "The endpoints; for a browser, a page to try them" } },
    async (request, reply) => {
      reply.header("vary", "accept");
      if (prefersHtml(request.headers.accept)) {
        reply.headers({
          "content-security-policy": CONTENT_SECURITY_POLICY,
          "referrer-policy": "no-referrer",
        });
        return sendStaticFile(request, reply, page);
      }
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
