// The API's documentation: GET /openapi.json, and GET /docs with Swagger UI.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "../app-context.ts";
import { readStaticFiles, type StaticFile, sendStaticFile } from "../transport/static-files.ts";
import type { DescribedRoute } from "./route-list.ts";

/** Several megabytes that are rarely requested, so read on first use. */
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
        summary: "This documentation as a web page",
        description: "Swagger UI; loads nothing from other servers.",
        response: {
          200: { description: "The page.", content: { "text/html": { schema: z.string() } } },
        },
      },
    },
    async (request, reply) => {
      // The page's URLs are relative to the path without a slash.
      if (/^[^?]*\/(?:\?|$)/.test(request.url)) return reply.redirect("../docs", 308);
      return reply.header("content-type", "text/html; charset=utf-8").send(DOCS_PAGE);
    },
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

/** URLs are relative, for servers behind a proxy's path prefix. */
export const DOCS_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>magdi: the API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<form id="key" hidden>
<label>This server needs an API key: <input id="key-value" type="password" autocomplete="off"></label>
<button>Open</button>
</form>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/docs.js"></script>
</body>
</html>
`;

/** If keys are set, fetching the document needs one; the page keeps it in memory only. */
export const DOCS_SCRIPT = `const form = document.getElementById("key");
const value = document.getElementById("key-value");

async function open(key) {
  const headers = key === null ? {} : { authorization: "Bearer " + key };
  const response = await fetch("openapi.json", { headers });
  form.hidden = response.status !== 401;
  if (!response.ok) return;
  const ui = SwaggerUIBundle({
    spec: await response.json(),
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    deepLinking: true,
    validatorUrl: null,
    onComplete() {
      if (key !== null) ui.preauthorizeApiKey("bearer", key);
    },
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  open(value.value);
});
open(null);
`;

/** Swagger UI's files that the page loads. */
export const SWAGGER_UI_FILES = ["swagger-ui.css", "swagger-ui-bundle.js"];

export const openApiRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { routes }) => {
  let text: Promise<string> | null = null;
  app.get(
    "/openapi.json",
    {
      schema: {
        operationId: "getOpenApi",
        tags: ["Operations"],
        summary: "This documentation as OpenAPI 3.1",
        description: "Generated from the schemas that validate requests.",
        response: {
          200: {
            description: "The OpenAPI document.",
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
