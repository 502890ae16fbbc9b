// The routes of an app, as they are added. It knows none by name, and nothing of how they are described.
import type { FastifyInstance, RouteOptions } from "fastify";

/** What the document needs of a route. */
export type DescribedRoute = Pick<RouteOptions, "method" | "url" | "schema" | "config">;

/** Watches `app` for routes from now on; the list grows with them. HEAD is left out: it is GET without a body. */
export function collectRoutes(app: FastifyInstance): readonly DescribedRoute[] {
  const routes: DescribedRoute[] = [];
  app.addHook("onRoute", ({ method, url, schema, config }) => {
    if (method === "HEAD" || method === "OPTIONS") return;
    routes.push({ method, url, ...(schema && { schema }), ...(config && { config }) });
  });
  return routes;
}
