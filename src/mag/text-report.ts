// Statistics of MAGs, and tables of counts, as text for a terminal. It computes nothing.

import type { ImportCounts } from "./record-to-mag.ts";
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

export interface Written {
  readonly path: string;
  readonly mags: number;
}

export interface ImportResult {
  readonly use: string;
  readonly written: readonly Written[];
  /** MAGs that lack what was asked for. */
  readonly lacking: number;
  /** By file. */
  readonly sources: Readonly<Record<string, ImportCounts>>;
}

const COLUMNS: readonly (readonly [title: string, field: keyof ImportCounts])[] = [
  ["records", "records"],
  ["broken", "broken"],
  ["other use", "otherUse"],
  ["excluded", "excludedQuestions"],
  ["MAGs", "mags"],
  ["nodes", "nodes"],
  ["edges", "edges"],
  ["right", "correct"],
  ["relabelled", "relabelled"],
  ["unanswered", "withoutAnswer"],
  ["echoes", "echoesRemoved"],
  ["<<…>>", "annotationsRemoved"],
];

/** A line for each source, what was left out and why, and the files. */
export function importText({ use, written, lacking, sources }: ImportResult): string {
  const table = textTable(
    ["source", ...COLUMNS.map(([title]) => title)],
    Object.entries(sources).map(([source, counts]) => [
      source.split("/").at(-1) ?? source,
      ...COLUMNS.map(([, field]) => counts[field]),
    ]),
  );
  const sum = (field: keyof ImportCounts): number =>
    Object.values(sources).reduce((total, counts) => total + counts[field], 0);
  const notes: readonly (readonly [count: number, what: string])[] = [
    [sum("broken"), "records are broken and were passed over"],
    [sum("otherUse"), `records are not for ${use}`],
    [sum("excludedQuestions"), "records ask a question that is kept for evaluation"],
    [sum("unreadableGold"), "records have a gold answer that is none of their task's"],
    [sum("withoutNodes"), "records have no output of the agents and rounds asked for"],
    [lacking, "MAGs lack what --with asks for"],
    [sum("repeatedNodes"), "outputs are an agent's second in one round, and were left out"],
    [sum("relabelled"), "nodes have another label than their source gives them"],
    [sum("withoutReasoning"), "nodes have no reasoning"],
  ];
  const told = notes.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const files = written.map(({ path, mags }) => `${path}: ${mags} MAGs`);
  return [table, ...(told.length === 0 ? [] : [told.join("\n")]), files.join("\n")].join("\n\n");
}
