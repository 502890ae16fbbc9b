// The endpoints that an app has, from its routes as they are added. It knows none by name.
import type { FastifyInstance } from "fastify";

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
