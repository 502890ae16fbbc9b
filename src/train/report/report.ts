// Writes the report of training runs: an SVG of their curves, and an HTML page with it.

import path from "node:path";
import { writeWholeFile } from "../../base/files/whole-file.ts";
import { chartsSvg } from "./charts.ts";
import { reportPage } from "./page.ts";
import { type RunRecord, readRunRecords } from "./run-record.ts";

export interface WrittenReport {
  /** Paths. */
  readonly svg: string;
  readonly page: string;
  readonly runs: readonly RunRecord[];
}

/** Writes `out`/report.svg and `out`/report.html over the runs in these folders.
 * @throws MAGDI_FILE_MISSING for a folder that holds no run, MAGDI_BAD_FILE when there is nothing to draw,
 * MAGDI_NOT_WRITTEN. */
export async function writeReport(folders: readonly string[], out: string): Promise<WrittenReport> {
  const runs = readRunRecords(folders);
  const charts = await chartsSvg(runs);
  const [svg, page] = [path.join(out, "report.svg"), path.join(out, "report.html")];
  writeWholeFile(svg, `${charts}\n`);
  writeWholeFile(page, reportPage(runs, charts));
  return { svg, page, runs };
}
