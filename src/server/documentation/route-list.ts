// The list of the app's routes, for the index, the OpenAPI document and 405 responses.

import type { FastifyInstance, RouteOptions } from "fastify";

/** The part of a route that the document needs. */
export type DescribedRoute = Pick<RouteOptions, "method" | "url" | "schema" | "config">;

/** Collects routes that are added to `app` from now on, except HEAD and OPTIONS. */
export function collectRoutes(app: FastifyInstance): readonly DescribedRoute[] {
  const routes: DescribedRoute[] = [];
  app.addHook("onRoute", ({ method, url, schema, config }) => {
    if (method === "HEAD" || method === "OPTIONS") return;
    routes.push({ method, url, ...(schema && { schema }), ...(config && { config }) });
  });
  return routes;
}

/** A route's name as OpenAPI writes it, such as "GET /v1/models/{id}". */
export function endpointOf({ method, url }: DescribedRoute): string {
  return `${method} ${url.replace(/:(\w+)/g, "{$1}")}`;
}
