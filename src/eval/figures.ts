// Reports as SVG: accuracy against tokens per answer (the paper's Figure 1), accuracy against the number of samples,
// and reliability. The drawing libraries are loaded when something is drawn.

import type { TopLevelSpec } from "vega-lite";
import { datasetTitle } from "./datasets.ts";
import type { NamedRun } from "./markdown.ts";

export interface Figure {
  /** What its file is called by. */
  readonly name: string;
  readonly title: string;
  readonly spec: TopLevelSpec;
}

const SIZE = { width: 420, height: 280 };

/** The figures that the runs have numbers for. */
export function figuresOf(runs: readonly NamedRun[]): Figure[] {
  const results = runs.flatMap(({ label, report }) =>
    report.results.map((result) => ({ ...result, run: label, title: datasetTitle(result.dataset) })),
  );
  const many = runs.length > 1;
  const run = { field: "run", type: "nominal", title: "run" } as const;
  const dataset = { field: "title", type: "nominal", title: "data set" } as const;
  const figures: Figure[] = [];
  const counted = results.flatMap(({ title, run: label, accuracy_by_samples: points }) =>
    points.flatMap(({ tokens_per_answer: tokens, accuracy }) =>
      tokens === null ? [] : [{ title, run: label, tokens, accuracy: 100 * accuracy }],
    ),
  );
  if (counted.length > 0) {
    figures.push({
      name: "tokens",
      title: "Accuracy against generated tokens per answer",
      spec: {
        ...SIZE,
        data: { values: counted },
        mark: { type: "line", point: true },
        encoding: {
          x: { field: "tokens", type: "quantitative", title: "tokens per answer", scale: { type: "log" } },
          y: { field: "accuracy", type: "quantitative", title: "accuracy (%)", scale: { zero: false } },
          color: dataset,
          ...(many ? { shape: run, strokeDash: run } : {}),
        },
      },
    });
  }
  const voted = results.filter(({ samples }) => samples > 1);
  if (voted.length > 0) {
    figures.push({
      name: "samples",
      title: "Accuracy against the number of samples",
      spec: {
        ...SIZE,
        data: {
          values: voted.flatMap(({ title, run: label, accuracy_by_samples: points }) =>
            points.map((point) => ({
              title,
              run: label,
              samples: point.samples,
              accuracy: 100 * point.accuracy,
            })),
          ),
        },
        mark: { type: "line", point: true },
        encoding: {
          x: { field: "samples", type: "quantitative", title: "samples", axis: { tickMinStep: 1 } },
          y: { field: "accuracy", type: "quantitative", title: "accuracy (%)", scale: { zero: false } },
          color: dataset,
          ...(many ? { strokeDash: run } : {}),
        },
      },
    });
  }
  const bins = results.flatMap(
    ({ title, run: label, calibration }) =>
      (calibration.vote_share ?? calibration.confidence)?.bins.flatMap(({ count, score, accuracy }) =>
        score === null || accuracy === null ? [] : [{ title, run: label, count, score, accuracy }],
      ) ?? [],
  );
  if (bins.length > 0) {
    figures.push({
      name: "reliability",
      title: "Reliability of the vote's share, or of the confidence of a single sample",
      spec: {
        ...SIZE,
        height: SIZE.width,
        layer: [
          {
            data: {
              values: [
                { score: 0, accuracy: 0 },
                { score: 1, accuracy: 1 },
              ],
            },
            mark: { type: "line", color: "#999", strokeDash: [4, 4] },
            encoding: {
              x: { field: "score", type: "quantitative" },
              y: { field: "accuracy", type: "quantitative" },
            },
          },
          {
            data: { values: bins },
            mark: { type: "point", filled: true },
            encoding: {
              x: { field: "score", type: "quantitative", title: "score", scale: { domain: [0, 1] } },
              y: {
                field: "accuracy",
                type: "quantitative",
                title: "share of right answers",
                scale: { domain: [0, 1] },
              },
              size: { field: "count", type: "quantitative", title: "questions" },
              color: dataset,
              ...(many ? { shape: run } : {}),
            },
          },
        ],
      },
    });
  }
  return figures;
}

/** The figure as SVG text; the same figure gives the same text. */
export async function drawFigure({ spec, title }: Figure): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import("vega"), import("vega-lite")]);
  const { spec: compiled } = vegaLite.compile({ ...spec, title, background: "white" });
  const view = new vega.View(vega.parse(compiled), { renderer: "none" });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}
