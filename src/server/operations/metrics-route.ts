// GET /metrics: all metrics in Prometheus' text format or in OpenMetrics.

import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import {
  type Metric,
  type MetricObjectWithValues,
  type MetricValue,
  type OpenMetricsContentType,
  type PrometheusContentType,
  Registry,
} from "prom-client";
import { z } from "zod";
import { maySee } from "../access/caller.ts";
import type { RouteOptions } from "../app-context.ts";

export const metricsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  const exposer = new Exposer(context.metrics.registry);
  app.get(
    "/metrics",
    {
      config: { right: "any" },
      schema: {
        operationId: "metrics",
        tags: ["Operations"],
        summary: "Prometheus metrics",
        description:
          "In Prometheus' text format, or in OpenMetrics if `Accept` names it. A key without the right `metrics` sees the server's totals, and of the series with a label `key` its own.",
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
      const { accept } = request.headers;
      const { contentType, text } = await exposer.expose(accept, (key) => maySee(request.caller, key));
      return reply.header("content-type", contentType).send(text);
    },
  );
};

class Exposer {
  readonly #metrics: Registry;

  constructor(metrics: Registry) {
    this.#metrics = metrics;
  }

  /**
   * OpenMetrics if the Accept header names it, as Prometheus' own does; otherwise Prometheus' text format. Of series with a
   * label `key` only those whose key may be seen.
   */
  async expose(
    accept: string | undefined,
    maySee: (key: string) => boolean,
  ): Promise<{ contentType: string; text: string }> {
    // A prom-client registry writes one format only, and all of its metrics, so each answer has its own.
    const shown = new Registry<PrometheusContentType | OpenMetricsContentType>();
    if (accept?.includes("application/openmetrics-text")) {
      shown.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    }
    for (const { name } of this.#metrics.getMetricsAsArray()) {
      const metric = this.#metrics.getSingleMetric(name);
      if (metric !== undefined) shown.registerMetric(view(metric, name, maySee));
    }
    return { contentType: shown.contentType, text: await shown.metrics() };
  }
}

type Series = MetricValue<string> & { readonly sharedLabels?: { readonly key?: string | number } };

/** prom-client's own way to read a metric: histograms have a second one, for text. */
interface Readable {
  get(): Promise<MetricObjectWithValues<Series>>;
  getForPromString?(): Promise<MetricObjectWithValues<Series>>;
}

/** The same metric with its own `name`, because writing OpenMetrics changes the names of counters in place, and without
 * the series that may not be seen. */
function view(metric: Metric, name: string, maySee: (key: string) => boolean): Metric {
  const isShown = ({ labels, sharedLabels }: Series) => {
    const key = labels.key ?? sharedLabels?.key;
    return key === undefined || maySee(String(key));
  };
  const filtered = (read: Readable["get"]) =>
    async function (this: Readable) {
      const all = await read.call(this);
      return { ...all, values: all.values.filter(isShown) };
    };
  // Every metric of prom-client is one, which its types only say of get().
  const { get, getForPromString } = metric as Readable;
  // Object.create returns any; the object inherits everything else.
  return Object.create(metric, {
    name: { value: name, writable: true },
    get: { value: filtered(get) },
    ...(getForPromString === undefined ? {} : { getForPromString: { value: filtered(getForPromString) } }),
  }) as Metric;
}
