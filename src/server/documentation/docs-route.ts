// GET /docs: the API's description as a page, and the files that the page loads.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "../route-options.ts";
import { readStaticFiles, type StaticFile, sendStaticFile } from "../transport/static-files.ts";
import { DOCS_PAGE, DOCS_SCRIPT, SWAGGER_UI_FILES } from "./docs-page.ts";

/** Megabytes, and seldom asked for: read when they are. */
function swaggerUiFiles(): ReadonlyMap<string, StaticFile> {
  const index = createRequire(import.meta.url).resolve("@fastify/swagger-ui/static/index.html");
  return readStaticFiles(new URL("./", pathToFileURL(index)));
}

export const docsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app) => {
  let files: ReadonlyMap<string, StaticFile> | null = null;
  app.get(
    "/docs",
    {
      schema: {
        operationId: "docs",
        tags: ["Operations"],
        summary: "This description as a page to read and try",
        description: "Swagger UI, served from here: it loads nothing from elsewhere.",
        response: {
          200: { description: "The page.", content: { "text/html": { schema: z.string() } } },
        },
      },
    },
    async (_request, reply) => reply.header("content-type", "text/html; charset=utf-8").send(DOCS_PAGE),
  );
  app.get("/docs/docs.js", { schema: { hide: true } }, async (_request, reply) =>
    reply.header("content-type", "text/javascript; charset=utf-8").send(DOCS_SCRIPT),
  );
  for (const name of SWAGGER_UI_FILES) {
    app.get(`/docs/${name}`, { schema: { hide: true } }, (request, reply) => {
      files ??= swaggerUiFiles();
      const file = files.get(name);
      if (file === undefined) throw new Error(`@fastify/swagger-ui has no ${name}`);
      return sendStaticFile(request, reply, file);
    });
  }
};
