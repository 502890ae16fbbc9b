// GET /metrics: all metrics in Prometheus' text format or in OpenMetrics.

import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { type Metric, type OpenMetricsContentType, Registry } from "prom-client";
import { z } from "zod";
import type { RouteOptions } from "../app-context.ts";

export const metricsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  const exposer = new Exposer(context.metrics.registry);
  app.get(
    "/metrics",
    {
      schema: {
        operationId: "metrics",
        tags: ["Operations"],
        summary: "Prometheus metrics",
        description: "In Prometheus' text format, or in OpenMetrics if `Accept` names it.",
        response: {
          200: {
            description: "All series.",
            content: {
              "text/plain": { schema: z.string() },
              "application/openmetrics-text": { schema: z.string() },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { contentType, text } = await exposer.expose(request.headers.accept);
      return reply.header("content-type", contentType).send(text);
    },
  );
};

class Exposer {
  readonly #plain: Registry;
  #open: Registry<OpenMetricsContentType> | null = null;

  constructor(registry: Registry) {
    this.#plain = registry;
  }

  /** OpenMetrics if the Accept header names it, as Prometheus' own does; otherwise Prometheus' text format. */
  async expose(accept: string | undefined): Promise<{ contentType: string; text: string }> {
    const wantsOpen = accept?.includes("application/openmetrics-text") ?? false;
    const registry = wantsOpen ? this.#openRegistry() : this.#plain;
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  /** A prom-client registry writes one format only, so the same metrics are in a second registry. */
  #openRegistry(): Registry<OpenMetricsContentType> {
    if (this.#open !== null) return this.#open;
    const open = new Registry<OpenMetricsContentType>();
    open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    for (const { name } of this.#plain.getMetricsAsArray()) {
      const metric = this.#plain.getSingleMetric(name);
      if (metric !== undefined) open.registerMetric(renamable(metric, name));
    }
    this.#open = open;
    return open;
  }
}

/** The same metric with its own `name`: writing OpenMetrics, prom-client changes the names of counters in place. */
function renamable(metric: Metric, name: string): Metric {
  // Object.create returns any; the object inherits everything but its name.
  return Object.create(metric, { name: { value: name, writable: true } }) as Metric;
}
