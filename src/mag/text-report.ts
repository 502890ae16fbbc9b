// Statistics of MAGs and the counts of an import, as tables for a terminal.

import type { ImportCounts } from "./record-to-mag.ts";
import type { MagStatistics } from "./statistics.ts";

/** A summary, then a table for each grouping. */
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
  return [
    summary.join("\n"),
    countsTable("benchmark", GRAPH_COLUMNS, statistics.byBenchmark),
    countsTable("type", GRAPH_COLUMNS, statistics.byType),
    countsTable("round", NODE_COLUMNS, statistics.byRound),
    countsTable("agent", NODE_COLUMNS, statistics.byAgent),
    textTable(
      [lengths.unit, "mean", "median", "95 %", "max", "sum"],
      (["prompt", "completion"] as const).map((part) => {
        const { mean, median, p95, max, sum } = lengths[part];
        return [part, mean.toFixed(1), median, p95, max, sum];
      }),
    ),
  ].join("\n\n");
}

const NODE_COLUMNS = ["nodes", "right", "wrong"] as const;
const GRAPH_COLUMNS = ["mags", "nodes", "edges", "right", "wrong"] as const;

function countsTable<Column extends "nodes" | "right" | "wrong" | "mags" | "edges">(
  title: string,
  columns: readonly Column[],
  counts: Readonly<Record<string, Readonly<Record<Column | "right" | "nodes", number>>>>,
): string {
  return textTable(
    [title, ...columns.map((column) => (column === "mags" ? "MAGs" : column)), "right %"],
    Object.entries(counts).map(([name, row]) => [
      name,
      ...columns.map((column) => row[column]),
      percent(row.right, row.nodes),
    ]),
  );
}

/** A table with the first column aligned left, the others right. */
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
  /** MAGs that lack what --with asks for. */
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

/** A row for each source, what was skipped and why, and the written files. */
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
    [sum("unreadableGold"), "records have a gold answer that does not fit their task"],
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
