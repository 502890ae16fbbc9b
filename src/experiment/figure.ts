// The figure of an experiment: accuracy over what its rows differ in, a line for each task and series, and the paper's numbers
// as hollow points.

import { datasetTitle } from "../eval/datasets.ts";
import type { Figure } from "../eval/figures.ts";
import type { ExperimentReport } from "./results.ts";

const SIZE = { width: 460, height: 300 };

/** Null without a figure, or without any answer to draw. */
export function experimentFigure({ figure, rows, title }: ExperimentReport): Figure | null {
  if (figure === null) return null;
  const points = rows.flatMap(({ x, series, cells }) =>
    cells.flatMap((cell) => {
      if (cell === null || x === null) return [];
      const [low, high] = cell.accuracy_ci95;
      const of = { x, series: series ?? "ours", task: datasetTitle(cell.task) };
      const paper = cell.paper?.accuracy ?? null;
      return [
        {
          ...of,
          ...{ accuracy: 100 * cell.accuracy, low: 100 * low, high: 100 * high },
          paper: paper === null ? null : 100 * paper,
        },
      ];
    }),
  );
  if (points.length === 0) return null;
  const x = { field: "x", type: "quantitative", title: figure.x, axis: { tickMinStep: 1 } } as const;
  const y = <T extends string>(field: T) =>
    ({ field, type: "quantitative", title: "accuracy (%)", scale: { zero: false } }) as const;
  const color = { field: "task", type: "nominal", title: "task" } as const;
  const dash = { field: "series", type: "nominal", title: "series" } as const;
  const strokeDash = new Set(points.map(({ series }) => series)).size > 1 ? { strokeDash: dash } : {};
  const reported = points.filter(({ paper }) => paper !== null);
  return {
    name: "figure",
    title,
    spec: {
      ...SIZE,
      layer: [
        {
          data: { values: points },
          mark: { type: "line", point: true },
          encoding: { x, y: y("accuracy"), color, ...strokeDash },
        },
        {
          data: { values: points },
          mark: { type: "rule", opacity: 0.5 },
          encoding: { x, y: y("low"), y2: { field: "high" }, color },
        },
        {
          data: { values: reported },
          mark: { type: "point", filled: false, size: 70 },
          encoding: { x, y: y("paper"), color },
        },
      ],
    },
  };
}
