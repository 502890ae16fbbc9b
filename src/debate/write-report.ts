// Writes the report of debates, as `magdi debate` and `magdi debate report` both do: JSON, a Markdown page and SVG figures
// beside each other.

import path from "node:path";
import { writeWholeFile } from "../base/files/whole-file.ts";
import { drawFigure } from "../eval/figures.ts";
import { reportText } from "../eval/report.ts";
import { debateFiguresOf } from "./debate-figures.ts";
import { readDebateFolders } from "./debate-folder.ts";
import { debatePage } from "./debate-page.ts";
import { type DebateReport, debateReport, type NamedFolder } from "./debate-report.ts";

export interface NamedFolders {
  readonly name: string;
  /** Counted as one. */
  readonly folders: readonly string[];
}

/** @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG */
export async function readRuns(runs: readonly NamedFolders[]): Promise<NamedFolder[]> {
  const read: NamedFolder[] = [];
  for (const { name, folders } of runs) read.push({ name, folder: await readDebateFolders(folders) });
  return read;
}

/**
 * Reads the folders and writes the report `json`; the page and the figures are named after it. Returns their names, and what
 * was read.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG, MAGDI_NOT_WRITTEN
 */
export async function writeDebateReport(
  runs: readonly NamedFolders[],
  json: string,
): Promise<{
  readonly read: readonly NamedFolder[];
  readonly report: DebateReport;
  readonly files: readonly string[];
}> {
  const read = await readRuns(runs);
  const report = debateReport(read);
  const stem = json.replace(/\.json$/, "");
  const page = `${stem}.md`;
  const figures: { title: string; file: string }[] = [];
  for (const figure of debateFiguresOf(report)) {
    const file = `${stem}.${figure.name}.svg`;
    writeWholeFile(file, await drawFigure(figure));
    figures.push({ title: figure.title, file: path.basename(file) });
  }
  writeWholeFile(page, debatePage(report, figures));
  writeWholeFile(json, reportText(report));
  return {
    read,
    report,
    files: [json, page, ...figures.map(({ file }) => path.join(path.dirname(json), file))],
  };
}
