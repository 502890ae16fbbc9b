// The benchmark as a chart: magdi's speed relative to each peer's, by case.
import { parse, View } from "vega";
import { compile } from "vega-lite";
import type { BenchReport } from "./report.ts";

/** Speed against each peer (inverted for times, where lower is better), as SVG. */
export async function drawBench(report: BenchReport): Promise<string> {
  const values = report.cases.flatMap(({ name, unit, ratios }) =>
    Object.entries(ratios).map(([peer, { median, lowest, highest }]) => {
      const faster = (ratio: number) => (unit === "ms" ? 1 / ratio : ratio);
      const [low, high] = [faster(lowest), faster(highest)].sort((a, b) => a - b);
      return { name, peer, times: faster(median), low, high };
    }),
  );
  const sort = report.cases.map(({ name }) => name);
  const { spec } = compile({
    title: {
      text: "magdi's speed over its peers'",
      subtitle: `${report.model} in ${report.dtype}, ${report.machine.threads} threads of ${report.machine.processor}`,
    },
    data: { values },
    facet: { row: { field: "peer", type: "nominal", title: null } },
    spec: {
      width: 420,
      layer: [
        { mark: { type: "rule", strokeDash: [4, 4] }, encoding: { x: { datum: 1 } } },
        {
          mark: "bar",
          encoding: {
            y: { field: "name", type: "nominal", sort, title: null, axis: { labelLimit: 240 } },
            x: { field: "times", type: "quantitative", title: "times as fast" },
          },
        },
        {
          mark: { type: "rule", color: "black" },
          encoding: {
            y: { field: "name", type: "nominal", sort },
            x: { field: "low", type: "quantitative" },
            x2: { field: "high" },
          },
        },
      ],
    },
  });
  return new View(parse(spec), { renderer: "none" }).toSVG();
}
