// Charts of training runs over their steps as one SVG; a run has the same colour in all charts. It knows no files.

import * as vega from "vega";
import * as vegaLite from "vega-lite";
import { curvesOf, type Point, type Quantity, SERIES, type Series } from "./curves.ts";
import type { RunRecord } from "./run-record.ts";

interface Panel {
  readonly quantity: Quantity;
  readonly title: string;
  /** Whether the axis begins at 0. */
  readonly fromZero: boolean;
  /** The number format of the axis, in d3-format's syntax. */
  readonly format: string;
}

const PANELS: readonly Panel[] = [
  { quantity: "loss", title: "Loss", fromZero: false, format: "~g" },
  { quantity: "nll", title: "Likelihood (NLL)", fromZero: false, format: "~g" },
  { quantity: "margin", title: "Margin of scores", fromZero: false, format: "~g" },
  { quantity: "node", title: "Node classifier, loss", fromZero: false, format: "~g" },
  { quantity: "nodeAccuracy", title: "Node classifier, accuracy", fromZero: false, format: ".0%" },
  { quantity: "tokensPerSecond", title: "Tokens per second", fromZero: true, format: ",.0f" },
  { quantity: "learningRate", title: "Learning rate", fromZero: true, format: "~e" },
  { quantity: "gradientNorm", title: "Gradient norm, before clipping", fromZero: true, format: "~g" },
];

/** Mostly Okabe and Ito's palette, which colour-blind readers can tell apart. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31"];
const WIDTH = 420;
const HEIGHT = 220;
const COLUMNS = 2;

const LINES: Readonly<Record<Series, Readonly<Record<string, unknown>>>> = {
  [SERIES.each]: { strokeWidth: 1, opacity: 0.25 },
  [SERIES.mean]: { strokeWidth: 1.75 },
  [SERIES.validation]: { strokeWidth: 1.25 },
  [SERIES.majority]: { strokeWidth: 1.25 },
};
const DASHES: Readonly<Record<Series, readonly number[]>> = {
  [SERIES.each]: [1, 0],
  [SERIES.mean]: [1, 0],
  [SERIES.validation]: [6, 3],
  [SERIES.majority]: [1, 3],
};

/** The encoding that the layers of a panel share. */
function encodingOf(panel: Panel, runs: readonly string[]): object {
  return {
    x: {
      field: "step",
      type: "quantitative",
      title: "optimiser step",
      axis: { tickMinStep: 1, format: ",d" },
      scale: { zero: true, nice: false },
    },
    y: {
      field: "value",
      type: "quantitative",
      title: null,
      axis: { format: panel.format, tickCount: 6 },
      scale: { zero: panel.fromZero, nice: true },
    },
    color: {
      field: "run",
      type: "nominal",
      scale: { domain: runs, range: runs.map((_, index) => COLOURS[index % COLOURS.length]) },
      legend: { title: null, symbolType: "stroke", symbolOpacity: 1, symbolStrokeWidth: 3 },
    },
  };
}

const DRAWN = Object.values(SERIES).filter((series) => series !== SERIES.each);
const DASH_ENCODING = {
  field: "series",
  type: "nominal",
  scale: { domain: DRAWN, range: DRAWN.map((series) => DASHES[series]) },
  legend: { title: null, symbolType: "stroke", symbolStrokeWidth: 1.5, symbolStrokeColor: "#333333" },
};

function panelSpec(panel: Panel, points: readonly Point[], runs: readonly string[]): object {
  const present = Object.values(SERIES).filter((series) => points.some((point) => point.series === series));
  const encoding = encodingOf(panel, runs);
  const lines = present.map((series) => ({
    data: { values: points.filter((point) => point.series === series) },
    mark: { type: "line", strokeDash: DASHES[series], ...LINES[series] },
    encoding: series === SERIES.each ? encoding : { ...encoding, strokeDash: DASH_ENCODING },
  }));
  // A line of one point would be invisible: it is drawn as a dot.
  const isAlone = ({ run, series }: Point): boolean =>
    points.filter((point) => point.run === run && point.series === series).length === 1;
  const dots = points.filter((point) => point.series === SERIES.validation || isAlone(point));
  return {
    title: { text: panel.title, anchor: "start" },
    width: WIDTH,
    height: HEIGHT,
    layer: [
      ...lines,
      { data: { values: dots }, mark: { type: "point", filled: true, size: 32, opacity: 1 }, encoding },
    ],
  };
}

function rowsOf<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / COLUMNS) }, (_, row) =>
    items.slice(row * COLUMNS, (row + 1) * COLUMNS),
  );
}

/** A chart of every quantity that at least one run has, as one SVG document. */
export async function chartsSvg(runs: readonly RunRecord[]): Promise<string> {
  const names = runs.map(({ name }) => name);
  const panels = PANELS.flatMap((panel) => {
    const points = runs.flatMap((run) => curvesOf(run, panel.quantity));
    return points.length === 0 ? [] : [panelSpec(panel, points, names)];
  });
  const spec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    padding: 16,
    config: {
      font: "system-ui, sans-serif",
      axisY: { minExtent: 34 },
      axis: { gridColor: "#e6e6e6", domainColor: "#888888", tickColor: "#888888", titleFontWeight: "normal" },
      view: { stroke: null },
      legend: {
        orient: "top",
        direction: "horizontal",
        columns: 4,
        labelLimit: 260,
        symbolSize: 260,
        columnPadding: 24,
      },
    },
    resolve: { scale: { color: "shared", strokeDash: "shared" } },
    spacing: 28,
    vconcat: rowsOf(panels).map((row) => ({ spacing: 40, hconcat: row })),
  };
  // Plain objects, which TypeScript cannot match with the large union that a specification is.
  const compiled = vegaLite.compile(spec as unknown as vegaLite.TopLevelSpec, { logger: silent() }).spec;
  const view = new vega.View(vega.parse(compiled), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** Without Vega's hints about specifications. */
function silent(): vega.LoggerInterface {
  return vega.logger(vega.None);
}
