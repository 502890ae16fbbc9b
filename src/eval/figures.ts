// Reports as SVG: accuracy against tokens per answer (the paper's Figure 1), accuracy against the number of samples,
// and reliability. The drawing libraries are only loaded when something is drawn.

import type { TopLevelSpec } from "vega-lite";
import { datasetTitle } from "./datasets.ts";
import type { NamedRun } from "./markdown.ts";

export interface Figure {
  /** Part of its file's name. */
  readonly name: string;
  readonly title: string;
  readonly spec: TopLevelSpec;
}

const SIZE = { width: 420, height: 280 };

const axis = <T extends object>(field: string, title: string, more?: T) =>
  ({ field, type: "quantitative", title, ...more }) as const;
const run = { field: "run", type: "nominal", title: "run" } as const;
const color = { field: "title", type: "nominal", title: "data set" } as const;
const y = axis("accuracy", "accuracy (%)", { scale: { zero: false } });
const SHARE = { scale: { domain: [0, 1] } };

/** The figures that the runs have numbers for. */
export function figuresOf(runs: readonly NamedRun[]): Figure[] {
  const results = runs.flatMap(({ label, report }) =>
    report.results.map((result) => ({ result, of: { run: label, title: datasetTitle(result.dataset) } })),
  );
  const points = results.flatMap(({ result, of }) =>
    result.accuracy_by_samples.map(({ samples, tokens_per_answer: tokens, accuracy }) => {
      return { ...of, isVoted: result.samples > 1, samples, tokens, accuracy: 100 * accuracy };
    }),
  );
  const counted = points.filter(({ tokens }) => tokens !== null);
  const voted = points.filter(({ isVoted }) => isVoted);
  const bins = results.flatMap(({ result: { calibration }, of }) =>
    ((calibration.vote_share ?? calibration.confidence)?.bins ?? [])
      .filter(({ score, accuracy }) => score !== null && accuracy !== null)
      .map(({ count, score, accuracy }) => ({ ...of, count, score, accuracy })),
  );
  const many = runs.length > 1;
  const shape = many ? { shape: run } : {};
  const dash = many ? { strokeDash: run } : {};
  const mark = { type: "line", point: true } as const;
  const byTokens = axis("tokens", "tokens per answer", { scale: { type: "log" } });
  const bySamples = axis("samples", "samples", { axis: { tickMinStep: 1 } });
  const figures: (Figure & { readonly values: readonly unknown[] })[] = [
    {
      name: "tokens",
      title: "Accuracy against generated tokens per answer",
      values: counted,
      spec: {
        ...SIZE,
        data: { values: counted },
        mark,
        encoding: { x: byTokens, y, color, ...shape, ...dash },
      },
    },
    {
      name: "samples",
      title: "Accuracy against the number of samples",
      values: voted,
      spec: { ...SIZE, data: { values: voted }, mark, encoding: { x: bySamples, y, color, ...dash } },
    },
    {
      name: "reliability",
      title: "Reliability of the vote's share, or of the confidence of a single sample",
      values: bins,
      spec: {
        ...SIZE,
        height: SIZE.width,
        layer: [
          {
            data: { values: [0, 1].map((share) => ({ score: share, accuracy: share })) },
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
              x: axis("score", "score", SHARE),
              y: axis("accuracy", "share of right answers", SHARE),
              size: axis("count", "questions"),
              color,
              ...shape,
            },
          },
        ],
      },
    },
  ];
  return figures.filter(({ values }) => values.length > 0);
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
