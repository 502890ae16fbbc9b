// A registry as text, in the format that a scraper asks for. It knows no metric.
import { type Metric, type OpenMetricsContentType, Registry } from "prom-client";

export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

export class Exposer {
  readonly #plain: Registry;
  #open: Registry<OpenMetricsContentType> | null = null;

  constructor(registry: Registry) {
    this.#plain = registry;
  }

  /** Prometheus' text format, or OpenMetrics where the Accept header names it, as Prometheus' own does. */
  async expose(accept: string | undefined): Promise<Exposition> {
    const wantsOpen = accept?.includes("application/openmetrics-text") ?? false;
    const registry = wantsOpen ? this.#openRegistry() : this.#plain;
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  /** The same metrics in a registry that writes the other format: a registry has but one. */
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

/** The same metric under a name of its own: writing OpenMetrics, prom-client renames the counters that it is given. */
function renamable(metric: Metric, name: string): Metric {
  // Object.create gives an object of any type; this one inherits all but its name.
  return Object.create(metric, { name: { value: name, writable: true } }) as Metric;
}
