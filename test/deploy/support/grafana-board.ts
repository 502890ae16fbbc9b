// A Grafana dashboard as its queries: panel by panel, with variables put in as Grafana does for Prometheus. It asks
// nobody.
import { readFileSync } from "node:fs";
import type { Json } from "../../server/support/running-app.ts";

export interface BoardQuery {
  /** Panel and letter, for messages. */
  readonly name: string;
  readonly promql: string;
  /** One value now, rather than a line over the time shown. */
  readonly instant: boolean;
}

export interface BoardTimes {
  /** The data source's own setting. */
  readonly scrapeSeconds: number;
  readonly shownSeconds: number;
  /** How many points a panel has room for. */
  readonly points: number;
}

export class GrafanaBoard {
  /** As it lies there. */
  readonly json: Json;

  constructor(file: string) {
    this.json = JSON.parse(readFileSync(file, "utf8"));
  }

  /** All panels that ask something. */
  panels(): Json[] {
    return this.json.panels.filter(({ type }: Json) => type !== "row");
  }

  variables(): Json[] {
    return this.json.templating.list.filter(({ type }: Json) => type === "query");
  }

  /** Panels' and annotations' queries; `chosen` has the values of variables, null for All. */
  queries(times: BoardTimes, chosen: Readonly<Record<string, readonly string[] | null>>): BoardQuery[] {
    return this.panels().flatMap(({ title, targets }: Json) =>
      targets.map(({ refId, expr, instant }: Json) => ({
        name: `${title} ${refId}`,
        promql: this.interpolate(expr, times, chosen),
        instant: instant === true,
      })),
    );
  }

  /** @throws when a variable is left that nobody knows. */
  interpolate(
    promql: string,
    times: BoardTimes,
    chosen: Readonly<Record<string, readonly string[] | null>>,
  ): string {
    const interval = Math.max(times.scrapeSeconds, Math.ceil(times.shownSeconds / times.points));
    const built: Readonly<Record<string, string>> = {
      __interval: `${interval}s`,
      __rate_interval: `${Math.max(interval + times.scrapeSeconds, 4 * times.scrapeSeconds)}s`,
      __range: `${times.shownSeconds}s`,
    };
    return promql.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
      const name = braced ?? bare ?? "";
      const value = built[name] ?? this.#value(name, chosen[name]);
      if (value === undefined) throw new Error(`${promql}: there is no variable ${whole}`);
      return value;
    });
  }

  /** Several values become alternatives of a regular expression, inside a PromQL string. */
  #value(name: string, values: readonly string[] | null | undefined): string | undefined {
    const variable = this.variables().find((one: Json) => one.name === name);
    if (variable === undefined || values === undefined) return undefined;
    if (values === null) return variable.allValue;
    const escaped = values.map((value) => value.replace(/[\\^$*+?.()|[\]{}]/g, "\\\\$&"));
    return escaped.length === 1 ? escaped[0] : `(${escaped.join("|")})`;
  }
}
