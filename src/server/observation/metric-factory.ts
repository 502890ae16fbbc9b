// Creates prom-client metrics in one registry, with the prefix magdi_.
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

  /** A gauge whose value is read at each scrape. */
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

  /** A counter whose total is kept elsewhere and read at each scrape. */
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

  /** A gauge with one series for each state: 1 for the current state, 0 for the others. */
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
