// A snapshot of /metrics in Prometheus' text format, and the difference of two.

export class MetricsSnapshot {
  readonly #values = new Map<string, number>();
  /** Names of the metrics whose type is counter. */
  readonly counters: ReadonlySet<string>;

  constructor(text: string) {
    const counters = new Set<string>();
    for (const line of text.split("\n")) {
      const declared = /^# TYPE (\S+) counter$/.exec(line)?.[1];
      if (declared !== undefined) counters.add(declared);
      if (line === "" || line.startsWith("#")) continue;
      // Labels may contain spaces; values and timestamps do not.
      const at = line.lastIndexOf(" ");
      this.#values.set(line.slice(0, at), Number(line.slice(at + 1)));
    }
    this.counters = counters;
  }

  /** The value of a series such as magdi_answers_total{task="math"}; 0 if absent. */
  value(series: string): number {
    return this.#values.get(series) ?? 0;
  }

  /** The sum over the series of a name whose labels include `labels`. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    let sum = 0;
    for (const [series, value] of this.#values) {
      const its =
        series === name ? "" : series.startsWith(`${name}{`) ? series.slice(name.length + 1, -1) : null;
      if (its !== null && wanted.every((pair) => its.includes(pair))) sum += value;
    }
    return sum;
  }

  /** The labels of each series of that name. */
  labels(name: string): Readonly<Record<string, string>>[] {
    return [...this.#values.keys()].flatMap((series) => {
      if (!series.startsWith(`${name}{`)) return [];
      const pairs = [...series.matchAll(/([a-z_]+)="([^"]*)"/g)];
      return [Object.fromEntries(pairs.map(([, label, value]) => [label, value]))];
    });
  }

  /** All series of the counters, each with its name up to the labels. */
  counterSeries(): { readonly name: string; readonly series: string }[] {
    return [...this.#values.keys()].flatMap((series) => {
      const name = series.split("{", 1)[0] ?? series;
      return this.counters.has(name) ? [{ name, series }] : [];
    });
  }

  /** Upper bounds of a histogram without other labels, and how many values lie at or below each, since `before`. */
  buckets(name: string, before: MetricsSnapshot): { readonly bound: number; readonly count: number }[] {
    const prefix = `${name}_bucket{le="`;
    return [...this.#values.keys()].flatMap((series) => {
      if (!series.startsWith(prefix)) return [];
      const text = series.slice(prefix.length, series.indexOf('"', prefix.length));
      const bound = text === "+Inf" ? Number.POSITIVE_INFINITY : Number(text);
      return [{ bound, count: this.value(series) - before.value(series) }];
    });
  }
}

/** The bound under which at least `percent` of a histogram's values lie; null without values. */
export function bucketBound(
  buckets: readonly { readonly bound: number; readonly count: number }[],
  percent: number,
): number | null {
  const total = Math.max(0, ...buckets.map(({ count }) => count));
  if (total === 0) return null;
  const wanted = (percent / 100) * total;
  const ascending = [...buckets].sort((a, b) => a.bound - b.bound);
  return ascending.find(({ count }) => count >= wanted)?.bound ?? null;
}
