// Statistics of MAGs, and tables of counts, as text for a terminal. It computes nothing.

import type { GraphCounts, MagStatistics, NodeCounts } from "./statistics.ts";

/** The statistics as a summary and one table for each view. */
export function statisticsText(statistics: MagStatistics): string {
  const { lengths, contrastive } = statistics;
  const summary = [
    `${statistics.mags} MAGs of ${statistics.questions} questions, ${statistics.nodes} nodes (${percent(statistics.right, statistics.nodes)} right), ${statistics.edges} edges`,
    `${contrastive.mags} MAGs have right and wrong nodes and give ${contrastive.pairs} pairs; always the more frequent label: ${percent(statistics.majorityShare, 1)}`,
    `${statistics.withoutAnswer} nodes without an answer, ${statistics.withoutReasoning} without reasoning; ${Object.entries(
      statistics.byUse,
    )
      .map(([use, count]) => `${count} MAGs for ${use}`)
      .join(", ")}`,
  ];
  const graphs = (title: string, counts: Readonly<Record<string, GraphCounts>>): string =>
    textTable(
      [title, "MAGs", "nodes", "edges", "right", "wrong", "right %"],
      Object.entries(counts).map(([name, { mags, nodes, edges, right, wrong }]) => [
        name,
        mags,
        nodes,
        edges,
        right,
        wrong,
        percent(right, nodes),
      ]),
    );
  const nodes = (title: string, counts: Readonly<Record<string, NodeCounts>>): string =>
    textTable(
      [title, "nodes", "right", "wrong", "right %"],
      Object.entries(counts).map(([name, { nodes, right, wrong }]) => [
        name,
        nodes,
        right,
        wrong,
        percent(right, nodes),
      ]),
    );
  return [
    summary.join("\n"),
    graphs("benchmark", statistics.byBenchmark),
    graphs("type", statistics.byType),
    nodes("round", statistics.byRound),
    nodes("agent", statistics.byAgent),
    textTable(
      [lengths.unit, "mean", "median", "95 %", "max", "sum"],
      (["prompt", "completion"] as const).map((part) => {
        const { mean, median, p95, max, sum } = lengths[part];
        return [part, mean.toFixed(1), median, p95, max, sum];
      }),
    ),
  ].join("\n\n");
}

/** Columns as wide as they need; the first to the left, numbers to the right. */
export function textTable(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const cells = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return lines.join("\n");
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %`;
}
