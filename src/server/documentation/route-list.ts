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

/**
 * Watches `app` for routes from now on. The list grows with them, as "POST /v1/reason"; routes that their schema
 * hides and the HEAD of each GET are left out.
 */
export function listEndpoints(app: FastifyInstance): readonly string[] {
  const endpoints: string[] = [];
  app.addHook("onRoute", ({ method, url, schema }) => {
    if (schema?.hide) return;
    for (const name of [method].flat()) {
      if (name === "HEAD" || name === "OPTIONS") continue;
      const endpoint = `${name} ${url.replace(/:(\w+)/g, "{$1}")}`;
      if (!endpoints.includes(endpoint)) endpoints.push(endpoint);
    }
  });
  return endpoints;
}
