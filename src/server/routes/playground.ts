// GET /playground/…: the scripts, style and icon of the page at /. What it asks of the server, it asks as any client.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { readStaticFiles, sendStaticFile } from "../transport/static-files.ts";
import type { RouteOptions } from "./route-options.ts";

export const PLAYGROUND_FOLDER = new URL("../playground/", import.meta.url);
export const PLAYGROUND_PAGE = "index.html";

export const playgroundRoute: FastifyPluginAsyncZod<RouteOptions> = async (app) => {
  for (const file of readStaticFiles(PLAYGROUND_FOLDER).values()) {
    if (file.name === PLAYGROUND_PAGE) continue;
    app.get(`/playground/${file.name}`, { schema: { hide: true } }, (request, reply) =>
      sendStaticFile(request, reply, file),
    );
  }
};
