// The report of training runs in a folder: one SVG of their curves, one page with it.

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../../errors.ts";
import { chartsSvg } from "./charts.ts";
import { reportPage } from "./page.ts";
import { type RunRecord, readRunRecords } from "./run-record.ts";

export interface WrittenReport {
  /** Paths. */
  readonly svg: string;
  readonly page: string;
  readonly runs: readonly RunRecord[];
}

/** Each file whole or not at all. */
function write(file: string, text: string): void {
  const partial = `${file}.${process.pid}.part`;
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(partial, text);
    renameSync(partial, file);
  } catch (cause) {
    if (existsSync(partial)) rmSync(partial);
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MagdiError("MAGDI_NOT_WRITTEN", `${file}: cannot be written (${why})`, { cause });
  }
}

/** Writes `out`/report.svg and `out`/report.html over the runs in these folders.
 * @throws MAGDI_FILE_MISSING for a folder that holds no run, MAGDI_BAD_FILE when there is nothing to draw,
 * MAGDI_NOT_WRITTEN. */
export async function writeReport(folders: readonly string[], out: string): Promise<WrittenReport> {
  const runs = readRunRecords(folders);
  const charts = await chartsSvg(runs);
  const [svg, page] = [path.join(out, "report.svg"), path.join(out, "report.html")];
  write(svg, `${charts}\n`);
  write(page, reportPage(runs, charts));
  return { svg, page, runs };
}
