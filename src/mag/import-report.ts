// What an import did, as text. It counts nothing itself.

import type { ImportCounts } from "./record-to-mag.ts";
import { textTable } from "./statistics-table.ts";

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
