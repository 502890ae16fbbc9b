// Makes the metrics of one registry, under the project's prefix. It knows none of them.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

const PREFIX = "magdi_";

export class MetricFactory {
  readonly #registers: Registry[];

  constructor(registry: Registry) {
    this.#registers = [registry];
  }

  counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name: PREFIX + name, help, labelNames, registers: this.#registers });
  }

  gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name: PREFIX + name, help, labelNames, registers: this.#registers });
  }

  /** A gauge that is read at each scrape. */
  readGauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: PREFIX + name,
      help,
      registers: this.#registers,
      collect() {
        this.set(read());
      },
    });
  }

  /** A counter that somebody else keeps, read at each scrape. */
  readCounter(name: string, help: string, read: () => number): void {
    new Counter({
      name: PREFIX + name,
      help,
      registers: this.#registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  /** A gauge for one of several states: 1 for that which is read at a scrape, 0 for the others. */
  stateGauge(name: string, help: string, states: readonly string[], read: () => string): void {
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames: ["state"],
      registers: this.#registers,
      collect() {
        const now = read();
        for (const state of states) this.set({ state }, state === now ? 1 : 0);
      },
    });
  }

  histogram(name: string, help: string, buckets: readonly number[], labelNames: string[] = []): Histogram {
    return new Histogram({
      name: PREFIX + name,
      help,
      buckets: [...buckets],
      labelNames,
      registers: this.#registers,
    });
  }
}
