// Writes the report of an experiment beside its students and answers: JSON, a Markdown page and a figure.

import { rmSync } from "node:fs";
import path from "node:path";
import { writeWholeFile } from "../base/files/whole-file.ts";
import { drawFigure } from "../eval/figures.ts";
import { reportText } from "../eval/report.ts";
import { experimentFigure } from "./figure.ts";
import { experimentPage } from "./page.ts";
import type { ExperimentPlan } from "./plan.ts";
import { type ExperimentReport, experimentReport } from "./results.ts";

export const REPORT_FILE = "report.json";
export const PAGE_FILE = "report.md";
const FIGURE_FILE = "report.svg";

/** Of what is there. @throws MAGDI_BAD_FILE, MAGDI_NOT_WRITTEN */
export async function writeExperimentReport(
  plan: ExperimentPlan,
  version: string,
): Promise<ExperimentReport> {
  const report = experimentReport(plan, version);
  const figure = experimentFigure(report);
  const at = (name: string): string => path.join(plan.out, name);
  if (figure === null) rmSync(at(FIGURE_FILE), { force: true });
  else writeWholeFile(at(FIGURE_FILE), await drawFigure(figure));
  writeWholeFile(at(PAGE_FILE), experimentPage(report, figure === null ? null : FIGURE_FILE));
  writeWholeFile(at(REPORT_FILE), reportText(report));
  return report;
}
